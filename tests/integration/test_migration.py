"""Moves between two hosts: in each mode, again, in check mode, and what goes along."""

from __future__ import annotations

import json
import re
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from support.counting_guest import counted, make_image
from support.guest_moves import Moves
from support.private_libvirtd import wait_until

UEFI = """\
<features><acpi/></features>
<os firmware='efi'><type arch='x86_64' machine='q35'>hvm</type></os>
"""
TPM = "<tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm>"
STATE = ("/var/lib/libvirt/qemu/nvram", "/var/lib/libvirt/swtpm")


def fields(done: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    return [(row["field"], row["before"], row["after"]) for row in done["plan"]]


def succeeded(done: dict[str, Any]) -> dict[str, Any]:
    assert not done.get("failed"), done["msg"]
    return done


def changes_nothing(moves: Moves, **options: Any) -> None:
    """A second run finds nothing to do."""
    again = succeeded(moves.move(**options))
    assert (again["changed"], again["plan"], again["diff"]) == (False, [], [])


def checked(moves: Moves, **options: Any) -> dict[str, Any]:
    """What check mode says, which has no effect on either host."""
    before = [*map(moves.seen, moves.hosts.both)]
    planned = succeeded(moves.move(check=True, **options))
    assert [*map(moves.seen, moves.hosts.both)] == before
    return planned


def moved_as_planned(moves: Moves, **options: Any) -> dict[str, Any]:
    """Plan, move, and see that the plan was what happened and that it is over."""
    planned = checked(moves, **options)
    done = succeeded(moves.move(**options))
    assert done["changed"] and planned["changed"]
    for said in ("plan", "diff", "summary", "mode", "disks", "host", "source"):
        assert planned[said] == done[said], said
    changes_nothing(moves, **options)
    return done


@pytest.mark.parametrize("on", ["source", "target", "neither"])
def test_live_and_back_from_wherever_the_module_runs(moves: Moves, on: str) -> None:
    moves.define()
    moves.source.virsh("start", moves.name)
    done = moved_as_planned(moves, on=on)
    moves.lives_only_at(moves.target)
    assert ("host", "kvm1", "kvm2") in fields(done)
    assert done["mode"]["name"] == "live"
    assert done["statistics"]["rounds"] >= 1
    assert 0 <= done["statistics"]["downtime_ms"] <= done["statistics"]["total_ms"]
    succeeded(moves.move(moves.source, on=on))
    moves.lives_only_at(moves.source)


@pytest.mark.parametrize("autostart", [True, False])
def test_autostart_goes_along(moves: Moves, autostart: bool) -> None:
    moves.define()
    moves.source.virsh("start", moves.name)
    moves.source.virsh("autostart", moves.name, *([] if autostart else ["--disable"]))
    succeeded(moves.move())
    assert (moves.name in moves.target.virsh("list", "--all", "--autostart")) is autostart


def test_a_vm_that_is_not_stored_stays_so(moves: Moves) -> None:
    moves.define()
    definition = moves.source.outside(moves.images) / "transient.xml"
    definition.write_text(moves.definition(moves.source))
    moves.source.virsh("undefine", moves.name)
    moves.source.virsh("create", str(moves.images / "transient.xml"))
    succeeded(moves.move())
    assert moves.states() == {"kvm2": "running"}
    assert moves.name in moves.target.virsh("list", "--transient")
    assert "fleet-move" not in moves.definition(moves.target)


def test_a_paused_vm_stays_paused(moves: Moves) -> None:
    moves.define()
    moves.source.virsh("start", moves.name, "--paused")
    succeeded(moves.move())
    moves.lives_only_at(moves.target, "paused")


def test_live_with_its_disk_copied(moves: Moves) -> None:
    moves.start_counting()
    before = counted(moves.image(moves.source))
    done = moved_as_planned(moves)
    moves.lives_only_at(moves.target)
    moves.counts_on(moves.target, at_least=before)
    assert done["mode"]["storage"] == "copied"
    assert [disk["how"] for disk in done["disks"]] == ["copied"]
    assert done["statistics"]["disks"]["transferred_bytes"] >= 8 * 2**20
    assert moves.files(moves.source) == ["root.qcow2"], "its old data is kept"


def test_a_linked_clone_brings_only_what_is_its_own(moves: Moves) -> None:
    _clone(moves, at_target=True)
    done = moved_as_planned(moves)
    moves.lives_only_at(moves.target)
    assert [disk["how"] for disk in done["disks"]] == ["layer"]
    assert _backing(moves) == str(moves.images / "base.qcow2")


def test_a_linked_clone_is_flattened_where_its_image_is_not(moves: Moves) -> None:
    _clone(moves, at_target=False)
    done = moved_as_planned(moves)
    moves.lives_only_at(moves.target)
    assert [disk["how"] for disk in done["disks"]] == ["flattened"]
    assert _backing(moves) == ""


def _clone(moves: Moves, at_target: bool, running: bool = True) -> None:
    base = moves.image(moves.source, "base")
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(base), "8M"], check=True)
    write = ["qemu-io", "-f", "qcow2", "-c", "write -P 7 1M 1M", str(base)]
    subprocess.run(write, check=True, capture_output=True)
    make = ["qemu-img", "create", "-q", "-f", "qcow2", "-b", "base.qcow2", "-F", "qcow2"]
    moves.source.run([*make, str(moves.images / "root.qcow2")])
    if at_target:
        moves.image(moves.target, "base").write_bytes(base.read_bytes())
        moves.target.virsh("pool-refresh", moves.pool)
    moves.define("root")
    if running:
        moves.source.virsh("start", moves.name)


@pytest.mark.parametrize(
    ("running", "cloned"), [(True, False), (True, True), (False, True), (False, False)]
)
def test_a_disk_is_laid_out_there_as_it_was(moves: Moves, running: bool, cloned: bool) -> None:
    """Flattened as a clone is whose image is not there, and as it is."""
    _clone(moves, at_target=False, running=False)
    backing = ["-b", "base.qcow2", "-F", "qcow2"] if cloned else []
    options = "cluster_size=128k,extended_l2=on,lazy_refcounts=on"
    make = ["qemu-img", "create", "-q", "-f", "qcow2", "-o", options, *backing]
    moves.source.run([*make, str(moves.images / "root.qcow2"), "8M"])
    moves.source.virsh("pool-refresh", moves.pool)
    if running:
        moves.source.virsh("start", moves.name)
    done = moved_as_planned(moves)
    assert [disk["how"] for disk in done["disks"]] == ["flattened" if cloned else "copied"]
    [note] = [row["note"] for row in done["plan"] if row["field"].startswith("copies.")]
    assert "laid out as now: cluster_size 128KiB, lazy_refcounts, extended_l2" in note
    there = _info(moves)
    of_qcow2 = there["format-specific"]["data"]
    assert there["cluster-size"] == 128 * 1024
    assert of_qcow2["extended-l2"] and of_qcow2["lazy-refcounts"]


def _info(moves: Moves) -> dict[str, Any]:
    image = str(moves.images / "root.qcow2")
    told: dict[str, Any] = json.loads(
        moves.target.run(["qemu-img", "info", "-U", image, "--output", "json"])
    )
    return told


def _backing(moves: Moves) -> str:
    info = moves.target.run(
        ["qemu-img", "info", "-U", str(moves.images / "root.qcow2"), "--output", "json"]
    )
    return str(json.loads(info).get("full-backing-filename", ""))


# ---- off


def test_offline_with_its_disk(moves: Moves) -> None:
    moves.start_counting()
    moves.source.virsh("autostart", moves.name)
    moves.source.virsh("destroy", moves.name)
    done = moved_as_planned(moves)
    moves.lives_only_at(moves.target, "shut off")
    assert done["mode"]["name"] == "offline"
    assert moves.name in moves.target.virsh("list", "--all", "--autostart")
    _same_images(moves, moves.image(moves.source), moves.image(moves.target))
    counted_before = counted(moves.image(moves.source))
    moves.target.virsh("start", moves.name)
    # It begins at 1 again, and writes over what is there.
    wait_until(lambda: moves.states() == {"kvm2": "running"}, 60, "it to run")
    assert counted(moves.image(moves.target)) >= counted_before


def test_offline_a_linked_clone_is_flattened(moves: Moves) -> None:
    _clone(moves, at_target=False, running=False)
    done = moved_as_planned(moves)
    moves.lives_only_at(moves.target, "shut off")
    assert [disk["how"] for disk in done["disks"]] == ["flattened"]
    assert _backing(moves) == ""
    assert moves.files(moves.source) == ["base.qcow2", "root.qcow2"]
    _same_images(moves, moves.image(moves.source), moves.image(moves.target))


def test_offline_firmware_and_tpm_go_along(moves: Moves) -> None:
    if not Path("/usr/bin/swtpm").exists():
        pytest.skip("no swtpm")
    moves.define(os=UEFI, more=TPM, memory_mib=64)
    for host in moves.hosts.both:
        host.run(["mkdir", "-p", STATE[0]])
    moves.source.virsh("start", moves.name)
    moves.source.virsh("destroy", moves.name)
    before = _state_files(moves)
    assert len(before) == 2, before
    moved_as_planned(moves)
    moves.lives_only_at(moves.target, "shut off")
    assert _state_files(moves, there=True) == before
    moves.target.virsh("start", moves.name)
    moves.lives_only_at(moves.target)


def test_state_of_an_earlier_vm_is_not_written_over(moves: Moves) -> None:
    moves.define(os=UEFI, memory_mib=64)
    for host in moves.hosts.both:
        host.run(["mkdir", "-p", STATE[0]])
    moves.source.virsh("start", moves.name)
    moves.source.virsh("destroy", moves.name)
    ((path, content),) = _state_files(moves).items()
    moves.target.outside(path).write_text("of an earlier VM")
    said = moves.move()
    assert said["failed"] and f"{path} is at kvm2 already, from an earlier VM" in said["msg"]
    assert moves.target.outside(path).read_text() == "of an earlier VM"
    assert moves.files(moves.target) == []
    moves.lives_only_at(moves.source, "shut off")
    moves.target.outside(path).unlink()
    moved_as_planned(moves)
    moves.lives_only_at(moves.target, "shut off")
    assert _state_files(moves, there=True) == {path: content}


def _state_files(moves: Moves, there: bool = False) -> dict[str, str]:
    host = moves.target if there else moves.source
    uuid = host.virsh("domuuid", moves.name)
    find = f"find {' '.join(STATE)} -type f | grep -e {uuid} -e {moves.name} | grep -v /[.]"
    listed = host.run(["bash", "-c", f"md5sum $({find})"]).splitlines()
    return {line.split()[1]: line.split()[0] for line in listed}


def _same_images(moves: Moves, one: Path, other: Path) -> None:
    flat = one.with_name("flat.raw")  # the backing image is next to it
    convert = ["qemu-img", "convert", "-O", "raw"]
    here = moves.images / one.name
    moves.source.run([*convert, str(here), str(moves.images / flat.name)])
    done = subprocess.run(["qemu-img", "compare", str(flat), str(other)], check=False)
    flat.unlink()
    assert done.returncode == 0


def test_nothing_is_left_of_notes_where_there_was_no_metadata(moves: Moves) -> None:
    moves.define()
    bare = re.sub(r"(?s)<metadata>.*</metadata>", "", moves.definition(moves.source))
    path = moves.source.outside(moves.images) / "bare.xml"
    path.write_text(bare)
    moves.source.virsh("define", str(moves.images / "bare.xml"))
    path.unlink()
    moves.source.virsh("start", moves.name)
    succeeded(moves.move())
    assert "<metadata" not in moves.definition(moves.target, "--inactive")
    moves.target.virsh("destroy", moves.name)
    succeeded(moves.move(moves.source))
    assert moves.states() == {"kvm1": "shut off"}
    assert "<metadata" not in moves.definition(moves.source)


@pytest.mark.parametrize("finish", [False, True])
def test_pools_that_a_killed_run_left_are_ended(moves: Moves, finish: bool) -> None:
    moves.define()
    left = f"kvm-fleet-move-{moves.source.virsh('domuuid', moves.name).strip()}-nvram"
    for host in moves.hosts.both:
        host.run(["mkdir", "-p", STATE[0]])
        host.virsh("pool-create-as", left, "dir", "--target", STATE[0])
    if finish:  # the run that was killed had come so far
        note = "<move uuid='{}' from='kvm1' to='kvm2' mode='offline' progress='arrived'/>"
        uuid = moves.source.virsh("domuuid", moves.name).strip()
        path = moves.target.outside(moves.images) / "left.xml"
        path.write_text(moves.definition(moves.source))
        moves.target.virsh("define", str(moves.images / "left.xml"))
        path.unlink()
        noted = ["--uri", "urn:kvm.fleet:1:move", "--key", "fleet-move", "--config"]
        moves.target.virsh("metadata", moves.name, *noted, "--set", note.format(uuid))
    succeeded(moves.move())
    moves.lives_only_at(moves.target, "shut off")


# ---- where it lives


def test_on_neither_host(moves: Moves) -> None:
    said = moves.move()
    assert said["failed"] and "is on none of kvm1, kvm2" in said["msg"]


def test_on_both_hosts(moves: Moves) -> None:
    moves.define()
    xml = moves.target.outside(moves.images) / "d.xml"
    xml.write_text(moves.definition(moves.source))
    moves.target.virsh("define", str(moves.images / "d.xml"))
    said = moves.move()
    assert said["failed"]
    for part in ("on several hosts", "kvm1 has it stopped", "kvm2 has it stopped"):
        assert part in said["msg"]
    assert moves.states() == {"kvm1": "shut off", "kvm2": "shut off"}


def test_a_volume_in_the_way_is_left_alone(moves: Moves) -> None:
    moves.start_counting()
    moves.image(moves.target).write_text("of somebody else")
    moves.target.virsh("pool-refresh", moves.pool)
    said = moves.move()
    assert said["failed"] and "root.qcow2" in said["msg"]
    moves.lives_only_at(moves.source)
    assert moves.image(moves.target).read_text() == "of somebody else"


def test_metadata_and_what_waits_for_a_restart_go_along(moves: Moves) -> None:
    moves.define()
    moves.source.virsh("start", moves.name)
    moves.source.virsh("desc", moves.name, "--config", "waits")
    succeeded(moves.move())
    stored = ET.fromstring(moves.definition(moves.target, "--inactive"))
    assert stored.findtext("description") == "waits"
    assert ET.fromstring(moves.definition(moves.target)).findtext("description") is None


# ---- what users say of it


def test_to_a_pool_of_another_name_and_folder(moves: Moves) -> None:
    moves.start_counting()
    other = f"{moves.prefix}nvme"
    folder = moves.images / "nvme"
    moves.target.outside(folder).mkdir(mode=0o711)
    moves.target.virsh("pool-define-as", other, "dir", "--target", str(folder))
    moves.target.virsh("pool-start", other)
    before = counted(moves.image(moves.source))
    done = succeeded(moves.move(map={"pools": {moves.pool: other}}))
    assert done["disks"][0]["there"] == f"{folder}/root.qcow2"
    assert moves.states() == {"kvm2": "running"}
    for options in ([], ["--inactive"]):
        assert f"{folder}/root.qcow2" in moves.definition(moves.target, *options)
    there = moves.target.outside(folder / "root.qcow2")
    wait_until(lambda: counted(there) > before + 2, 60, "the guest to go on")
    assert sorted(path.name for path in there.parent.iterdir()) == ["root.qcow2"]


def test_the_old_disk_goes_where_that_is_said(moves: Moves) -> None:
    moves.start_counting()
    done = moved_as_planned(moves, remove_source_storage=True)
    moves.lives_only_at(moves.target)
    moves.counts_on(moves.target)
    assert moves.files(moves.source) == []
    assert any(row["field"].startswith("disks.") for row in done["plan"])


def test_the_migration_network_is_named_by_the_interface_in_it(moves: Moves) -> None:
    moves.define()
    moves.source.virsh("start", moves.name)
    done = succeeded(moves.move(on="target", network="data"))
    found = [one for one in done["report"] if one["check"] == "network"]
    assert [one["target"] for one in found] == [moves.target.data]
    moves.lives_only_at(moves.target)


def test_a_vm_that_runs_is_not_moved_as_if_it_were_off(moves: Moves) -> None:
    moves.define()
    moves.source.virsh("start", moves.name)
    said = moves.move(mode="offline")
    assert said["failed"], said
    moves.lives_only_at(moves.source)


# ---- what others need, and what is not in the image alone


def test_an_old_disk_on_which_another_vm_stands_is_kept(moves: Moves) -> None:
    make_image(moves.image(moves.source), 1, 8)
    clone = ["qemu-img", "create", "-q", "-f", "qcow2", "-b", "root.qcow2", "-F", "qcow2"]
    moves.source.run([*clone, str(moves.images / "clone.qcow2")])
    moves.define("clone")
    moves.source.virsh("domrename", moves.name, f"{moves.prefix}clone")
    moves.define("root")
    done = moved_as_planned(moves, remove_source_storage=True)
    assert ("disks.vda", str(moves.images / "root.qcow2"), "kept") in fields(done)
    assert moves.files(moves.source) == ["clone.qcow2", "root.qcow2"]
    moves.source.virsh("start", f"{moves.prefix}clone")


def test_a_disk_that_waits_for_the_next_start_is_not_left_behind(moves: Moves) -> None:
    moves.start_counting()
    make_image(moves.image(moves.source, "later"), 1, 8)
    later = str(moves.images / "later.qcow2")
    moves.source.virsh("attach-disk", moves.name, later, "vdb", "--subdriver", "qcow2", "--config")
    said = moves.move()
    assert said["failed"] and f"{later} cannot go: it waits" in said["msg"]
    moves.lives_only_at(moves.source)
    moves.source.virsh("destroy", moves.name)
    moved_as_planned(moves)
    assert moves.files(moves.target) == ["later.qcow2", "root.qcow2"]


@pytest.mark.parametrize("on", ["source", "neither"])
def test_offline_an_image_with_its_data_in_another_file(moves: Moves, on: str) -> None:
    image, data = moves.image(moves.source), moves.images / "root.data"
    create = ["qemu-img", "create", "-q", "-f", "qcow2", "-o", f"data_file={data}"]
    moves.source.run([*create, str(moves.images / "root.qcow2"), "8M"])
    moves.source.run(["qemu-io", "-c", "write -P 7 1M 1M", str(moves.images / "root.qcow2")])
    moves.define("root")
    done = moved_as_planned(moves, on=on)
    assert [disk["how"] for disk in done["disks"]] == ["flattened"]
    _same_images(moves, image, moves.image(moves.target))


def test_snapshots_inside_an_image_stay_with_it_where_they_do_not_go_over(moves: Moves) -> None:
    image = str(moves.images / "root.qcow2")
    moves.source.run(["qemu-img", "create", "-q", "-f", "qcow2", image, "8M"])
    moves.source.run(["qemu-img", "snapshot", "-c", "before", image])
    moves.define("root")
    moves.source.virsh("start", moves.name)
    done = moved_as_planned(moves, on="neither", remove_source_storage=True)
    assert ("disks.vda", image, "kept") in fields(done)
    assert "before" in moves.source.run(["qemu-img", "snapshot", "-l", image])


# `mov dx, 604h; mov ax, 2400h; out dx, ax`: sleep, by the port of ACPI that SeaBIOS sets up.
SLEEPS = bytes.fromhex("ba0406b80024eff4ebfd")
SLEEPER = """\
<features><acpi/></features><pm><suspend-to-mem enabled='yes'/></pm>
<os><type arch='x86_64' machine='pc'>hvm</type></os>
"""


def test_a_guest_that_sleeps_is_not_moved_before_it_is_woken(moves: Moves) -> None:
    sector = SLEEPS + bytes(510 - len(SLEEPS)) + b"\x55\xaa"
    raw = moves.source.outside(moves.images) / "root.raw"
    raw.write_bytes(sector + bytes(2**20 - len(sector)))
    convert = ["qemu-img", "convert", "-O", "qcow2", str(moves.images / "root.raw")]
    moves.source.run([*convert, str(moves.images / "root.qcow2")])
    raw.unlink()
    moves.define("root", os=SLEEPER)
    moves.source.virsh("start", moves.name)
    wait_until(lambda: moves.states() == {"kvm1": "pmsuspended"}, 120, "the guest to sleep")
    said = moves.move()
    assert said["failed"] and "its guest sleeps" in said["msg"]
    assert moves.states() == {"kvm1": "pmsuspended"}
