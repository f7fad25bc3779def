"""A change that comes with a move: what leaves the VM goes before it, the rest comes after."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

from support.counting_guest import counted, make_image
from support.guest_moves import Moves
from support.private_libvirtd import wait_until
from support.two_hosts import TwinHost

CDROM = """\
<disk type='file' device='cdrom'>
  <driver name='qemu' type='raw'/>
  <source file='{path}'/>
  <target dev='hdc' bus='ide'/>
  <readonly/>
</disk>
"""
NIC = "<interface type='user'><mac address='52:54:00:12:34:56'/><model type='virtio'/></interface>"
UEFI = "<features><acpi/></features><os firmware='efi'><type machine='q35'>hvm</type></os>"
NVRAM = "/var/lib/libvirt/qemu/nvram"
SLOW = {"bandwidth": "1MiB/s"}


def start(moves: Moves, fill_mib: int = 1) -> str:
    """A guest that counts, with a medium in its drive that only its host has."""
    path = moves.images / "media" / "tools.iso"
    moves.source.outside(path).parent.mkdir(mode=0o711)
    moves.source.outside(path).write_bytes(bytes(2**20))
    make_image(moves.image(moves.source), fill_mib, 8)
    moves.define("root", more=CDROM.format(path=path))
    moves.source.virsh("start", moves.name)
    wait_until(lambda: counted(moves.image(moves.source)) > 3, 120, "the guest to count")
    return str(path)


def medium(moves: Moves, host: TwinHost, *options: str) -> str:
    """What is in the drive of the VM."""
    source = ET.fromstring(moves.definition(host, *options)).find(
        "devices/disk[@device='cdrom']/source"
    )
    return "" if source is None else source.get("file", "")


def devices(moves: Moves) -> list[dict[str, str]]:
    """The disks and NICs at the source, each with all that its elements say but its name."""
    tree = ET.fromstring(moves.definition(moves.source, "--inactive"))
    found = [*tree.findall("devices/disk"), *tree.findall("devices/interface")]
    return [
        {
            f"{part.tag} {name}": value
            for part in device.iter()
            if part.tag != "alias"
            for name, value in part.attrib.items()
        }
        for device in found
    ]


def succeeded(done: dict[str, Any]) -> dict[str, Any]:
    assert not done.get("failed"), done["msg"]
    return done


def rows(done: dict[str, Any]) -> list[tuple[str, str]]:
    return [(row["resource"].partition("/")[0], row["field"]) for row in done["plan"]]


def test_what_leaves_goes_first_and_the_rest_comes_after(moves: Moves) -> None:
    start(moves)
    refused = moves.move(vm={"description": "moved"})
    assert refused["failed"] and "cdroms.hdc" in refused["msg"]
    change = {"cdroms": [{"name": "hdc", "file": ""}], "description": "moved", "autostart": True}
    before = [*map(moves.seen, moves.hosts.both)]
    planned = succeeded(moves.move(check=True, vm=change))
    assert [*map(moves.seen, moves.hosts.both)] == before
    done = succeeded(moves.move(vm=change))
    for said in ("plan", "diff", "summary", "mode", "disks", "pending_restart", "changed"):
        assert planned[said] == done[said], said
    told = rows(done)
    assert told[0] == ("vm", "cdroms.hdc.file") and told[1] == ("migration", "host")
    assert told[-2:] == [("vm", "description"), ("vm", "autostart")], told
    moves.lives_only_at(moves.target)
    moves.counts_on(moves.target)
    for options in ([], ["--inactive"]):
        assert medium(moves, moves.target, *options) == ""
    stored = ET.fromstring(moves.definition(moves.target, "--inactive"))
    assert stored.findtext("description") == "moved"
    again = succeeded(moves.move(vm=change))
    assert (again["changed"], again["plan"], again["diff"]) == (False, [], [])


def test_what_was_taken_out_is_put_back_where_the_move_fails(moves: Moves) -> None:
    path = start(moves, fill_mib=15)
    change = {"cdroms": [{"name": "hdc", "file": ""}], "description": "moved"}
    said = moves.move(vm=change, timeout_s=12, **SLOW)
    assert said["failed"] and "not done within 12 s" in said["msg"]
    assert "cdroms.hdc.file had been taken out of it before, and was put back" in said["msg"]
    moves.lives_only_at(moves.source)
    moves.counts_on(moves.source)
    for options in ([], ["--inactive"]):
        assert medium(moves, moves.source, *options) == path
        assert "description" not in moves.definition(moves.source, *options)


def test_devices_of_a_vm_that_is_off_are_put_back_as_they_were(moves: Moves) -> None:
    for disk in ("root", "data"):
        make_image(moves.image(moves.source, disk))
    moves.define("root", "data", os=UEFI, more=NIC, memory_mib=64)
    for host in moves.hosts.both:
        host.run(["mkdir", "-p", NVRAM])
    moves.source.virsh("start", moves.name)
    moves.source.virsh("destroy", moves.name)
    before = devices(moves)
    in_the_way = moves.target.outside(f"{NVRAM}/{moves.name}_VARS.fd")
    in_the_way.write_text("of an earlier VM")
    gone = {
        "disks": [{"name": "vdb", "state": "absent"}],
        "nics": [{"name": "52:54:00:12:34:56", "state": "absent"}],
    }
    said = moves.move(vm=gone)
    in_the_way.unlink()
    assert said["failed"] and "from an earlier VM" in said["msg"], said["msg"]
    for part in ("disks.vdb", "nics.52:54:00:12:34:56", "was put back"):
        assert part in said["msg"], said["msg"]
    assert devices(moves) == before
    done = succeeded(moves.move(vm=gone))
    assert [disk["name"] for disk in done["disks"]] == ["vda"]
    assert moves.files(moves.target) == ["root.qcow2"]


def test_where_it_lives_there_it_is_changed(moves: Moves) -> None:
    moves.define()
    change = {"description": "here"}
    done = succeeded(moves.move(to=moves.source, vm=change))
    assert rows(done) == [("vm", "description")] and done["changed"]
    assert succeeded(moves.move(to=moves.source, vm=change))["changed"] is False


def test_what_cannot_come_after_stops_all_of_it(moves: Moves) -> None:
    path = start(moves)
    change = {
        "cdroms": [{"name": "hdc", "file": ""}],
        "nics": [{"name": "lan", "vswitch": f"{moves.prefix}none"}],
    }
    before = [*map(moves.seen, moves.hosts.both)]
    said = moves.move(vm=change)
    assert said["failed"] and f"{moves.prefix}none" in said["msg"], said["msg"]
    assert [*map(moves.seen, moves.hosts.both)] == before
    assert medium(moves, moves.source) == path


def test_mistakes_in_it_are_told_together(moves: Moves) -> None:
    said = moves.move(vm={"name": "other", "state": "absent", "desciption": "x"})
    assert said["failed"]
    for part in ("has a name", "no option desciption", "is absent"):
        assert part in said["msg"], said["msg"]
