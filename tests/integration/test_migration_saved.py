"""Moves of a VM that is saved: its memory goes along, and it goes on where it was."""

from __future__ import annotations

import time
import xml.etree.ElementTree as ET
from typing import Any

import pytest

from support.ansible_runs import run_module
from support.counting_guest import counted
from support.guest_moves import Moves
from support.module_process import kill_module
from support.private_libvirtd import wait_until
from support.two_hosts import TwinHost

FOLDER = "/var/lib/libvirt/qemu/save"
TIMEOUT_S = 600


def images(moves: Moves, host: TwinHost) -> list[str]:
    """The images of saved memory on a host."""
    folder = host.outside(FOLDER)
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def saved(moves: Moves) -> int:
    """Have the VM saved at the source, whose guest counts. How far it had come."""
    moves.start_counting()
    moves.source.virsh("managedsave", moves.name)
    return counted(moves.image(moves.source))


def is_saved_at(moves: Moves, host: TwinHost) -> None:
    """It is there alone, and libvirt counts it as saved."""
    moves.lives_only_at(host, "shut off")
    assert moves.name in host.virsh("list", "--all", "--with-managed-save", "--name").split()
    for one in moves.hosts.both:
        assert images(moves, one) == ([f"{moves.name}.save"] if one is host else [])


def goes_on_at(moves: Moves, host: TwinHost, before: int) -> None:
    """Woken, the guest goes on with the number that it had in its memory."""
    host.virsh("start", moves.name)
    moves.lives_only_at(host)
    moves.counts_on(host, at_least=before)
    assert images(moves, host) == []


def succeeded(done: dict[str, Any]) -> dict[str, Any]:
    assert not done.get("failed"), done["msg"]
    return done


def test_its_memory_goes_along(moves: Moves) -> None:
    before = saved(moves)
    seen = [*map(moves.seen, moves.hosts.both)]
    planned = succeeded(moves.move(check=True))
    assert [*map(moves.seen, moves.hosts.both)] == seen
    done = succeeded(moves.move())
    for said in ("plan", "diff", "summary", "mode", "disks"):
        assert planned[said] == done[said], said
    told = {row["field"]: (row["before"], row["after"]) for row in done["plan"]}
    image = f"{FOLDER}/{moves.name}.save"
    assert told["copies.saved_memory"] == (None, f"kvm2: {image}")
    assert told["saved_memory"] == (image, "absent")
    assert done["mode"]["name"] == "offline"
    assert done["statistics"]["memory"]["transferred_bytes"] > 2**20
    is_saved_at(moves, moves.target)
    assert succeeded(moves.move())["changed"] is False
    goes_on_at(moves, moves.target, before)


def test_its_memory_names_what_it_has_at_the_target(moves: Moves) -> None:
    before = saved(moves)
    other, folder = f"{moves.prefix}nvme", moves.images / "nvme"
    moves.target.outside(folder).mkdir(mode=0o711)
    moves.target.virsh("pool-define-as", other, "dir", "--target", str(folder))
    moves.target.virsh("pool-start", other)
    succeeded(moves.move(map={"pools": {moves.pool: other}}))
    inside = ET.fromstring(moves.target.virsh("managedsave-dumpxml", moves.name))
    source = inside.find("devices/disk/source")
    assert source is not None and source.get("file") == f"{folder}/root.qcow2"
    moves.target.virsh("start", moves.name)
    there = moves.target.outside(folder / "root.qcow2")
    wait_until(lambda: counted(there) > before + 2, 60, "the guest to go on")


def test_what_was_paused_wakes_paused(moves: Moves) -> None:
    moves.start_counting()
    moves.source.virsh("managedsave", moves.name, "--paused")
    succeeded(moves.move())
    is_saved_at(moves, moves.target)
    moves.target.virsh("start", moves.name)
    moves.lives_only_at(moves.target, "paused")


def test_an_image_in_the_way_is_left_alone(moves: Moves) -> None:
    before = saved(moves)
    there = moves.target.outside(FOLDER) / f"{moves.name}.save"
    there.parent.mkdir(parents=True, exist_ok=True)
    there.write_text("of somebody else")
    for on in ("target", "source"):  # seen by the plan, and by the run alone
        said = moves.move(on=on)
        assert said["failed"] and f"{FOLDER}/{moves.name}.save" in said["msg"], said
        assert there.read_text() == "of somebody else"
        assert (moves.states(), moves.files(moves.target)) == ({"kvm1": "shut off"}, [])
    there.unlink()
    is_saved_at(moves, moves.source)
    goes_on_at(moves, moves.source, before)


def test_an_image_that_is_none_is_refused_and_left(moves: Moves) -> None:
    saved(moves)
    here = moves.source.outside(FOLDER) / f"{moves.name}.save"
    content = here.read_bytes()
    here.write_bytes(content[:4096].replace(b"LibvirtQemudSave", b"LibvirtQemudPart"))
    said = moves.move()
    assert said["failed"] and "Traceback" not in said["msg"], said
    assert moves.states() == {"kvm1": "shut off"}
    assert (images(moves, moves.target), moves.files(moves.target)) == ([], [])
    here.write_bytes(content)
    succeeded(moves.move())
    is_saved_at(moves, moves.target)


def test_an_image_that_is_gone_is_told_and_stops_nobody_else(moves: Moves) -> None:
    saved(moves)
    moves.source.outside(f"{FOLDER}/{moves.name}.save").unlink()
    said = moves.move()
    assert said["failed"] and "does not have managed save image" in said["msg"], said
    assert moves.states() == {"kvm1": "shut off"}
    told = run_module("vm_info", {"names": [moves.name]}, on=moves.source)
    assert [vm["state"] for vm in told["vms"]] == ["saved"], told


@pytest.mark.parametrize("delay_s", [0.8, 1.2, 1.6, 2.0, 2.5, 3.0])
def test_the_module_is_killed(moves: Moves, delay_s: float) -> None:
    """Whenever that is, its memory is in one place, and the next run brings it over."""
    before = saved(moves)
    process = moves.begin()
    time.sleep(delay_s)
    kill_module(process)
    process.communicate(timeout=TIMEOUT_S)
    at_source = f"{moves.name}.save" in images(moves, moves.source)
    assert at_source or images(moves, moves.target) == [f"{moves.name}.save"]
    wait_until(lambda: "paused" not in moves.states().values(), TIMEOUT_S, "what stood in to end")
    succeeded(moves.move())
    is_saved_at(moves, moves.target)
    goes_on_at(moves, moves.target, before)
