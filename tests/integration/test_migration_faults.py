"""What goes wrong in the midst of a move: afterwards the VM runs once, with its data.

Nothing that is left at the other side is without its mark, and the next run comes to the end. All
of it is seen by virsh, by qemu-img and in the image of a guest that counts, never by the module.
"""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable
from typing import Any

import pytest

from support.counting_guest import counted
from support.guest_moves import Moves
from support.module_process import kill_module, signal_module
from support.private_libvirtd import wait_until
from support.two_hosts import TwinHost

TIMEOUT_S = 600
MIB = 2**20
# The guest has 15 MiB of memory that does not compress.
SLOW = {"bandwidth": "1MiB/s"}

Job = dict[str, Any]


def in_memory(job: Job) -> bool:
    return int(job.get("memory_processed") or 0) > 2 * MIB


def in_disk(job: Job) -> bool:
    return int(job.get("disk_processed") or 0) > MIB and not job.get("memory_processed")


POINTS: dict[str, Callable[[Job], bool]] = {"memory": in_memory, "disk": in_disk}
# Its disk is copied first: where that is not what is disturbed, it does not have to take long.
DISK_MIB = {"memory": 4, "disk": 8}

pytestmark = pytest.mark.long(
    touched_by=r"plugins/(modules/migration\.py|module_utils/moving/(applier|watching|unfinished"
    r"|finishing|wire|notes))|tests/support/(guest_moves|two_hosts|counting_guest)"
)


def kill_qemu(moves: Moves, host: TwinHost) -> None:
    """End QEMU with SIGKILL."""
    pid = host.outside(f"/run/libvirt/qemu/{moves.name}.pid").read_text().strip()
    host.run(["bash", "-c", f"kill -KILL {pid}"])


def disturbed(
    moves: Moves,
    point: str,
    disturb: Callable[[subprocess.Popen[str]], None],
    fill_mib: int = 15,
    **options: Any,
) -> dict[str, Any]:
    """What the module says that is disturbed in the midst of a move; nothing if it was killed."""
    moves.start_counting(fill_mib, DISK_MIB[point])
    process = moves.begin(**SLOW, **options)
    moves.comes_to(POINTS[point], process)
    disturb(process)
    out, err = process.communicate(timeout=TIMEOUT_S)
    assert "Traceback" not in out + err, out + err
    said: dict[str, Any] = json.loads(out) if out else {}
    assert not said or said.get("failed"), said
    return said


def stays_at_source(moves: Moves, marked: bool = False) -> None:
    """The VM goes on where it was, and the other side has nothing that is not marked."""
    moves.hosts.mend()
    wait_until(lambda: not moves.job().get("type"), TIMEOUT_S, "the migration to end")
    wait_until(lambda: "kvm2" not in moves.states(), TIMEOUT_S, "the target to be cleared")
    wait_until(lambda: moves.states()["kvm1"] == "running", TIMEOUT_S, "the source to go on")
    moves.counts_on(moves.source)
    files = moves.files(moves.target)
    assert files == ([".root.qcow2.partial", "root.qcow2"] if marked and files else []), files
    assert moves.processes(moves.target) == []


def converges(moves: Moves) -> None:
    """The next run does it, and the one after that finds nothing to do."""
    before = counted(moves.image(moves.source))
    done = moves.move()
    assert not done.get("failed"), done["msg"]
    moves.lives_only_at(moves.target)
    moves.counts_on(moves.target, at_least=before)
    assert moves.move()["changed"] is False


@pytest.mark.parametrize("point", POINTS)
def test_the_module_is_killed(moves: Moves, point: str) -> None:
    said = disturbed(moves, point, kill_module)
    assert said == {}
    stays_at_source(moves, marked=True)
    converges(moves)


@pytest.mark.parametrize("point", POINTS)
def test_qemu_at_the_target_is_killed(moves: Moves, point: str) -> None:
    said = disturbed(moves, point, lambda _process: kill_qemu(moves, moves.target))
    assert "was not moved" in said["msg"]
    stays_at_source(moves)
    converges(moves)


@pytest.mark.parametrize("point", POINTS)
def test_libvirt_at_the_target_is_killed(moves: Moves, point: str) -> None:
    said = disturbed(moves, point, lambda _process: moves.target.kill())
    assert "connection to libvirt at kvm2 was lost" in said["msg"]
    assert "run again" in said["msg"]
    stays_at_source(moves, marked=True)
    converges(moves)


@pytest.mark.parametrize("point", POINTS)
def test_libvirt_at_the_source_is_killed(moves: Moves, point: str) -> None:
    said = disturbed(moves, point, lambda _process: moves.source.kill())
    assert "connection to libvirt at kvm1 was lost" in said["msg"]
    stays_at_source(moves, marked=True)
    converges(moves)


def test_libvirt_at_the_target_hangs(moves: Moves) -> None:
    """It takes questions and answers none, until the connection is given up: also the last one,
    to let the guest run, which it would do when it wakes."""
    try:
        said = disturbed(moves, "memory", lambda _process: print(moves.target.signal("STOP")))
    finally:
        moves.target.signal("CONT")
    assert moves.states()["kvm1"] == "running"
    assert "connection to libvirt at kvm2 was lost" in said["msg"]
    stays_at_source(moves, marked=True)
    converges(moves)


def test_libvirt_at_the_source_hangs(moves: Moves) -> None:
    """What it had to do is over when it wakes, and what it is told then comes too late."""
    try:
        said = disturbed(moves, "memory", lambda _process: print(moves.source.signal("STOP")))
    finally:
        moves.source.signal("CONT")
    assert "connection to libvirt at kvm1 was lost" in said["msg"]
    stays_at_source(moves, marked=True)
    converges(moves)


@pytest.mark.parametrize("point", POINTS)
def test_the_migration_network_is_cut(moves: Moves, point: str) -> None:
    """libvirt says nothing of it, so how long it may stand still is a limit of ours."""
    said = disturbed(moves, point, lambda _process: moves.target.set_wire("data", False), stall_s=5)
    assert "nothing was transferred for" in said["msg"]
    assert "migration network" in said["msg"]
    assert moves.states()["kvm1"] == "running"
    stays_at_source(moves)
    converges(moves)


def test_the_job_is_aborted_by_somebody_else(moves: Moves) -> None:
    said = disturbed(
        moves, "memory", lambda _process: print(moves.source.virsh("domjobabort", moves.name))
    )
    assert "was not moved" in said["msg"]
    stays_at_source(moves)
    converges(moves)


def test_the_source_guest_ends_in_the_midst(moves: Moves) -> None:
    """It was switched off, so there is nothing that runs, and nothing is defined twice."""
    said = disturbed(moves, "memory", lambda _process: kill_qemu(moves, moves.source))
    assert said["failed"]
    wait_until(lambda: moves.states() == {"kvm1": "shut off"}, TIMEOUT_S, "it to be off")
    assert moves.files(moves.target) == []
    moves.source.virsh("start", moves.name)
    converges(moves)


def mount_small(moves: Moves, size: str) -> None:
    """A file system of this size as the folder of the pool at the target."""
    moves.target.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(moves.images)])
    moves.target.virsh("pool-refresh", moves.pool)


def unmount(moves: Moves) -> None:
    """Its own folder again, once nothing is left in the small one."""
    assert moves.target.run(["ls", "-A", str(moves.images)]).split() == ["filler"]
    moves.target.run(["umount", str(moves.images)])


def test_there_is_no_room_for_the_disk(moves: Moves) -> None:
    moves.start_counting()
    mount_small(moves, "256K")
    moves.target.run(["touch", str(moves.images / "filler")])
    said = moves.move()
    assert said["failed"] and "disks" in said["msg"], said
    unmount(moves)
    stays_at_source(moves)
    converges(moves)


def test_the_room_for_the_disk_is_used_up_in_the_midst(moves: Moves) -> None:
    def fill(_process: subprocess.Popen[str]) -> None:
        moves.target.try_run(["dd", "if=/dev/zero", f"of={moves.images}/filler", "bs=4k"])

    mount_small(moves, "2M")
    said = disturbed(moves, "memory", fill, fill_mib=24)
    assert "was not moved" in said["msg"]
    unmount(moves)
    stays_at_source(moves)
    converges(moves)


def test_it_takes_too_long(moves: Moves) -> None:
    moves.start_counting(fill_mib=15, size_mib=4)
    said = moves.move(**SLOW, timeout_s=8)
    assert "not done within 8 s" in said["msg"]
    stays_at_source(moves)
    converges(moves)


def test_what_takes_too_long_is_paused_until_it_is_there(moves: Moves) -> None:
    moves.start_counting(fill_mib=15, size_mib=4)
    done = moves.move(**SLOW, timeout_s=6, on_timeout="pause")
    assert not done.get("failed"), done["msg"]
    moves.lives_only_at(moves.target)
    moves.counts_on(moves.target)


@pytest.mark.parametrize("turns_back", [False, True])
def test_the_module_is_killed_once_all_has_gone_over(moves: Moves, turns_back: bool) -> None:
    """libvirt at the source does not know then whether the other one runs, so neither does."""
    moves.start_counting(fill_mib=4, size_mib=4)
    process = moves.begin(**SLOW)
    moves.comes_to(in_memory, process)
    signal_module(process, signal.SIGSTOP)
    wait_until(lambda: moves.states()["kvm1"] == "paused", TIMEOUT_S, "all to have gone over")
    kill_module(process)
    process.communicate(timeout=TIMEOUT_S)
    _comes_to_rest(moves)
    assert moves.states() == {"kvm1": "paused"}
    host = moves.source if turns_back else moves.target
    planned = moves.move(to=host, check=True)
    assert "stands still" in planned["diff"][0]["before"], planned["diff"]
    done = moves.move(to=host)
    assert not done.get("failed"), (done["msg"], moves.states())
    assert moves.states() == {host.name: "running"}
    moves.counts_on(host)
    converges(moves) if turns_back else moves.lives_only_at(host)


@pytest.mark.parametrize("after_s", [0.4, 0.65, 0.9, 1.15, 1.4, 1.65])
def test_the_module_is_killed_at_any_time(moves: Moves, after_s: float) -> None:
    """Also after the VM is at the target, before all is cleared up, or it stands still as above."""
    moves.start_counting(fill_mib=1)
    process = moves.begin()
    time.sleep(after_s)
    kill_module(process)
    process.communicate(timeout=TIMEOUT_S)
    _comes_to_rest(moves)
    states = moves.states()
    running = [name for name, state in states.items() if state == "running"]
    assert len(running) == 1 or states == {"kvm1": "paused"}, states
    done = moves.move()
    assert not done.get("failed"), (done["msg"], moves.states())
    moves.lives_only_at(moves.target)
    moves.counts_on(moves.target)


def _comes_to_rest(moves: Moves) -> None:
    """libvirt notices that the module is gone, and ends what it had begun."""
    wait_until(lambda: not moves.job().get("type"), TIMEOUT_S, "the migration to end")
    time.sleep(2)
    seen: list[dict[str, str]] = [moves.states(), moves.states()]
    while seen[-1] != seen[-2] or "paused" in seen[-1].get("kvm2", ""):
        time.sleep(1)
        seen.append(moves.states())
        assert len(seen) < TIMEOUT_S
