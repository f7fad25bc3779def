"""What goes wrong in the midst of a disk's move: one whole volume is in use, the next run ends it.

All of it is seen by virsh, by qemu-img and in the image of a guest that counts.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.ansible_runs import COLLECTIONS, MODULES
from support.guest_disks import GuestDisk
from support.module_process import kill_module, signal_module
from support.module_server import ModuleServer
from support.private_libvirtd import PrivateLibvirtd, wait_until

TIMEOUT_S = 300
MIB = 2**20
SLOW = {"bandwidth": "1MiB/s"}
BALLAST_MIB = 12

pytestmark = pytest.mark.long(
    touched_by=r"plugins/(modules/storage_migration\.py|module_utils/(run/moving_disks"
    r"|moving/disks/))|tests/support/(guest_disks|counting_guest)"
)


@pytest.fixture
def guest(
    libvirtd: PrivateLibvirtd, modules: ModuleServer, prefix: str, images: Path
) -> Iterator[GuestDisk]:
    guest = GuestDisk(libvirtd, modules, prefix, images)
    yield guest
    if not libvirtd.answers():
        libvirtd.start_libvirtd()
    libvirtd.try_run(["virsh", "destroy", guest.vm])
    libvirtd.try_run(["umount", str(guest.folder / guest.fast)])


def in_the_midst(job: dict[str, Any]) -> bool:
    return int(job.get("cur") or 0) > 2 * MIB


def begun(guest: GuestDisk, **options: Any) -> subprocess.Popen[str]:
    """The module in the midst of the copy, which gets no further."""
    guest.start_counting(ballast_mib=BALLAST_MIB)
    process = guest.begin(**SLOW, **options)
    guest.comes_to(in_the_midst, process)
    guest.libvirtd.virsh("blockjob", guest.vm, "vda", "--bandwidth", "1024", "--bytes")
    return process


def said(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, err = process.communicate(timeout=TIMEOUT_S)
    assert "Traceback" not in out + err or "KeyboardInterrupt" in err, out + err
    return json.loads(out) if out else {}


def stays(guest: GuestDisk) -> None:
    """The VM goes on with its old volume, and nothing is left of the other."""
    assert guest.image()[0].endswith("/root.qcow2")
    guest.counts_on(at_least=4)
    assert guest.files() == ["slow/root.qcow2"]
    assert all("fleet-disk" not in text for text in guest.definitions())


def arrives(guest: GuestDisk, before: int) -> dict[str, Any]:
    """The next run has the disk there, with all of its data."""
    done = guest.run("storage_migration", **guest.args())
    guest.is_settled(guest.args())
    assert guest.image()[0] == str(guest.folder / guest.fast / f"{guest.vm}-root.qcow2")
    guest.counts_on(at_least=before)
    guest.has_its_ballast()
    return done


def test_killed_while_it_copies_the_next_run_takes_it_up(guest: GuestDisk) -> None:
    kill_module(begun(guest))
    assert in_the_midst(guest.job()), "libvirt goes on"
    planned = guest.run("storage_migration", check=True, **guest.args())
    assert "taken up" in planned["plan"][0]["note"]
    arrives(guest, guest.counted_of_old())


def test_killed_while_it_copies_and_declared_where_it_is(guest: GuestDisk) -> None:
    kill_module(begun(guest))
    guest.run("storage_migration", **guest.args(pool=guest.slow))
    guest.is_settled(guest.args(pool=guest.slow))
    stays(guest)


def test_killed_once_the_vm_has_changed_over(guest: GuestDisk) -> None:
    kill_module(begun(guest))
    guest.libvirtd.virsh("blockjob", guest.vm, "vda", "0")
    wait_until(lambda: "ready='yes'" in guest.definitions()[0], TIMEOUT_S, "the copy to be whole")
    guest.libvirtd.virsh("blockjob", guest.vm, "vda", "--pivot")
    wait_until(lambda: "<mirror" not in guest.definitions()[0], TIMEOUT_S, "the change over")
    args = guest.args(remove_source_storage=True)
    done = guest.run("storage_migration", **args)
    fields = [row["field"].partition("/")[2] or row["field"] for row in done["plan"]]
    assert fields == [f"{guest.vm}-root.qcow2", "metadata", "root.qcow2"]
    guest.is_settled(args)
    assert guest.files() == [f"fast/{guest.vm}-root.qcow2"]
    guest.counts_on(at_least=4)
    guest.has_its_ballast()
    told = guest.modules.run("vm", guest.declared(), True)
    assert "kvm.fleet.storage_migration moved it" in told["msg"]


@pytest.mark.parametrize("how", ["interrupted", "late"])
def test_given_up_it_stays_where_it_was(guest: GuestDisk, how: str) -> None:
    if how == "interrupted":
        process = begun(guest)
        signal_module(process, signal.SIGINT)
        said(process)
    else:
        guest.start_counting(ballast_mib=BALLAST_MIB)
        told = guest.refused(check=False, timeout_s=3, **SLOW)
        assert "not done within 3 s" in told
    stays(guest)


def test_the_target_fills_up(guest: GuestDisk) -> None:
    fast = str(guest.folder / guest.fast)  # mounted before QEMU starts, which sees none later
    guest.libvirtd.run(["mount", "-t", "tmpfs", "-o", "size=4M,mode=711", "none", fast])
    guest.libvirtd.virsh("pool-refresh", guest.fast)
    guest.start_counting(ballast_mib=BALLAST_MIB, compressed=True)
    told = guest.modules.run("storage_migration", guest.args(), False)
    assert "its pool is full" in told["msg"] and "free now" in told["msg"]
    assert guest.libvirtd.run(["ls", "-A", fast]) == ""
    stays(guest)
    before = guest.counted()
    guest.libvirtd.run(["mount", "-o", "remount,size=64M", fast])
    guest.run("storage_migration", **guest.args())
    assert guest.image()[0] == f"{fast}/{guest.vm}-root.qcow2"
    guest.move(pool=guest.slow, volume="back.qcow2")
    guest.counts_on(at_least=before)
    guest.has_its_ballast()


def test_libvirtd_killed(guest: GuestDisk) -> None:
    process = begun(guest)
    guest.libvirtd.kill()
    told = said(process)
    assert told.get("failed") and "the connection to libvirt" in told["msg"], told
    guest.libvirtd.start_libvirtd()
    arrives(guest, guest.counted_of_old())


STARTED_LATE = f"""
from {MODULES} import storage_migration
from {MODULES.rpartition(".")[0]}.module_utils.moving.disks import applier_offline

check = applier_offline._check_off

def started_after(job, dom):
    check(job, dom)
    dom.create()

applier_offline._check_off = started_after
storage_migration.main()
"""


def test_started_by_somebody_at_the_last_moment_of_a_copy(guest: GuestDisk) -> None:
    """The VM runs on its old disk, so what was copied is not what it has."""
    guest.start_counting()
    guest.libvirtd.virsh("destroy", guest.vm)
    done = subprocess.run(
        [*guest.libvirtd.entry(), sys.executable, "-c", STARTED_LATE],
        env={**os.environ, "PYTHONPATH": str(COLLECTIONS)},
        input=json.dumps({"ANSIBLE_MODULE_ARGS": guest.args(remove_source_storage=True)}),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    told = json.loads(done.stdout)
    assert told["failed"] and "was started while its disk was copied" in told["msg"], done
    assert guest.image()[0].endswith("/root.qcow2") and "slow/root.qcow2" in guest.files()
    arrives(guest, guest.counted())
