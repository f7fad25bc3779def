"""The plan for a disk that is to live in another pool: what is copied, how, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.changes import Kept
from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import FleetErrors
from ansible_collections.kvm.fleet.plugins.module_utils.engine.looked_at import Image, Layout
from ansible_collections.kvm.fleet.plugins.module_utils.engine.move_facts import DiskSize, Inside
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import Have
from ansible_collections.kvm.fleet.plugins.module_utils.engine.showing import (
    diff_of,
    results,
    summary,
)
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.storage_volume.volumes import (
    HALF_MADE,
)
from ansible_collections.kvm.fleet.plugins.module_utils.moving.disks import tree, watching
from ansible_collections.kvm.fleet.plugins.module_utils.moving.disks.found import DiskMove
from ansible_collections.kvm.fleet.plugins.module_utils.moving.disks.note import (
    Note,
    element_of,
    note_of,
)
from ansible_collections.kvm.fleet.plugins.module_utils.moving.disks.options import declared_of
from ansible_collections.kvm.fleet.plugins.module_utils.moving.disks.planned import (
    Planned,
    planned,
)
from ansible_collections.kvm.fleet.plugins.module_utils.moving.disks.told import told
from support import moves
from support.moves import DIR, GIB, ROOT, UUID, VM

LVM = DIR.replace('type="dir"', 'type="logical"')
ISCSI = DIR.replace('type="dir"', 'type="iscsi"')
THERE = "/fast/web-vda.qcow2"
MIRROR = (
    '<mirror type="file" job="copy" ready="{}"><format type="qcow2"/>'
    f'<source file="{THERE}"/></mirror>'
)
CLONE = (
    '<backingStore type="file"><format type="qcow2"/><source file="/local/base"/>'
    "<backingStore/></backingStore>"
)
NOTE = Note("vda", "/local/web.qcow2", THERE, "fast/web-vda.qcow2", "local/web.qcow2")
MARKED = f'<fleet:resource xmlns:fleet="urn:kvm.fleet:1" managed="yes" uuid="{UUID}"/>'


class Site:
    """One host with a VM, whose disk is in the pool local, and a pool that it can go to."""

    def __init__(self, state: str = "running", **parts: str) -> None:
        self.host = moves.host("kvm1", "00000000-0000-4000-8000-00000000000a")
        self.host.haves["storage_pool"].append(moves.pool("fast", "/fast"))
        self.host.haves["storage_volume"] = [moves.volume("local/web.qcow2", "/local/web.qcow2")]
        self.vm(state, **parts)

    def vm(self, state: str = "running", metadata: str = "", **parts: str) -> None:
        """Let the VM be another one."""
        parts = {"file": "/local/web.qcow2", **parts}
        have = moves.vm(state, top=f"<metadata>{metadata}</metadata>", **parts)
        live = have.live if state in ("running", "paused") else None
        self.host.haves["vm"] = [Have("vm", VM, have.stored, live, have.facts)]

    def runs(self, **parts: str) -> None:
        """Let what runs be another than what is stored."""
        have = self.host.haves["vm"][0]
        live = moves.vm("running", **{"file": "/local/web.qcow2", **parts}).live
        self.host.haves["vm"] = [Have("vm", VM, have.stored, live, have.facts)]

    def volume(self, full: str, path: str, **more: Any) -> None:
        """Let there be another volume."""
        self.host.haves["storage_volume"].append(moves.volume(full, path, **more))

    def half_made(self, full: str) -> None:
        """Let there be a volume with the mark of one that is being made."""
        have = Have("storage_volume", full, facts={HALF_MADE: True})
        self.host.haves["storage_volume"].append(have)

    def pool(self, text: str = DIR, path: str = "/fast", **more: Any) -> None:
        """Let the pool be another one."""
        pools = self.host.haves["storage_pool"]
        pools[:] = [*(one for one in pools if one.name != "fast")]
        pools.append(moves.pool("fast", path, text, **more))

    def move(self, **options: Any) -> DiskMove:
        params = {"vm": VM, "disk": "vda", "pool": "fast", **options}
        return DiskMove(self.host.side(), declared_of(params))

    def planned(self, **options: Any) -> Planned:
        return planned(self.move(**options))

    def refused(self, **options: Any) -> str:
        with pytest.raises(FleetErrors) as error:
            self.planned(**options)
        return str(error.value)


def rows(found: Planned) -> dict[str, tuple[Any, Any]]:
    return {row["field"]: (row["before"], row["after"]) for row in results(found.plan.changes)}


def noted(note: Note = NOTE) -> str:
    text = element_of(note, UUID).replace("<move", "<fleet-disk:move")
    return text.replace(" uuid", ' xmlns:fleet-disk="urn:kvm.fleet:1:disk" uuid', 1)


# ---- the plan


def test_a_running_disk_is_copied_live_and_its_old_volume_stays() -> None:
    found = Site().planned()
    assert rows(found) == {
        "disks.vda": ("/local/web.qcow2", THERE),
        "volumes.fast/web-vda.qcow2": (None, "10GiB, qcow2"),
        "volumes.local/web.qcow2": ("/local/web.qcow2", "kept"),
    }
    moved = results(found.plan.changes)[0]
    assert moved["class"] == "live" and moved["note"].startswith("live, it runs: ")
    assert summary([found.plan]) == "plan: 2 changes (1 stored, 1 live)"
    assert "removes" not in summary([found.plan])
    assert THERE in diff_of(found.plan)["after"]
    assert told(found)["declare"] == {"pool": "fast", "volume": "web-vda.qcow2", "format": "qcow2"}


def test_a_disk_of_a_vm_that_is_off_is_copied_offline() -> None:
    found = Site("stopped").planned(remove_source_storage=True)
    assert found.mode == "offline" and found.loses("local/web.qcow2")
    moved = results(found.plan.changes)[0]
    assert moved["class"] == "stored" and moved["note"].startswith("offline, it is stopped")
    assert "removes: storage_migration/web volumes.local/web.qcow2" in summary([found.plan])


def test_what_lives_there_is_left_alone() -> None:
    for options in ({}, {"volume": "web.qcow2"}, {"format": "qcow2"}, {"backing": "flatten"}):
        assert not Site().planned(pool="local", **options).plan.changed
    changed = Site().planned(pool="local", format="raw")
    assert rows(changed)["disks.vda"] == ("/local/web.qcow2", "/local/web-vda.raw")
    assert rows(changed)["disks.vda.format"] == ("qcow2", "raw")
    assert Site().planned(pool="local", volume="other").plan.changed


def test_a_chain_is_kept_where_it_can_be_and_flattened_where_not() -> None:
    site = Site(more=CLONE)
    kept = site.planned()
    assert kept.fate is not None and (kept.fate.how, kept.fate.backing) == ("layer", "/local/base")
    assert "stands on /local/base" in str(results(kept.plan.changes))
    flat = site.planned(backing="flatten")
    assert flat.fate is not None and (flat.fate.how, flat.fate.backing) == ("flattened", "")
    assert "/local/base" in str(results(flat.plan.changes))
    raw = site.planned(format="raw")
    assert raw.fate is not None and raw.fate.how == "flattened"
    assert "stands on nothing" in site.refused(format="raw", backing="keep")
    assert site.planned(backing="keep").fate == kept.fate
    off = Site("stopped", more=CLONE)
    flat = off.planned()
    assert flat.fate is not None and flat.fate.how == "flattened"
    assert "as one image while the VM is off" in off.refused(backing="keep")


def test_it_is_laid_out_as_it_was_where_that_is_qcow2() -> None:
    """Told by the header of its image; of that of another machine, by its volume."""
    site = Site()
    site.host.facts[("uri",)] = "qemu:///system"
    site.host.facts[("image", "/local/web.qcow2")] = Image(
        "qcow2", 10 * GIB, layout=Layout(3, 1 << 17, False, True)
    )
    found = site.planned()
    field = "volumes.fast/web-vda.qcow2"
    notes = {row["field"]: row.get("note") for row in results(found.plan.changes)}
    assert notes[field] == "laid out as now: cluster_size 128KiB, extended_l2"
    assert site.move(format="raw").layout_there is None
    del site.host.facts[("image", "/local/web.qcow2")]
    site.host.facts[("uri",)] = "qemu+ssh://kvm1/system"
    tree = site.host.haves["storage_volume"][0].definition
    for path, value in (("compat", "1.1"), ("clusterSize", "4096"), ("features/extended_l2", "")):
        xmltree.put(tree, f"target/{path}", value)
    assert site.move().layout_there == Layout(3, 4096, False, True)


def test_into_a_volume_group_it_is_raw_and_whole() -> None:
    site = Site()
    site.pool(LVM, "/dev/vg")
    found = site.planned()
    assert rows(found)["disks.vda"] == ("/local/web.qcow2", "/dev/vg/web-vda.raw")
    assert rows(found)["disks.vda.format"] == ("qcow2", "raw")
    assert any("larger size" in warning for warning in found.plan.warnings)
    assert found.plan.after.stored is not None
    disk = found.plan.after.stored.find("devices/disk")
    assert disk is not None and (disk.get("type"), xmltree.get(disk, "source/@dev")) == (
        "block",
        "/dev/vg/web-vda.raw",
    )
    assert "raw volumes only" in site.refused(format="qcow2")
    site.pool(LVM, "/dev/vg", free=9 * GIB)
    assert "9GiB free" in site.refused()


# ---- what is refused


def test_room_is_that_for_what_is_written() -> None:
    site = Site()
    site.pool(free=2 * GIB)
    assert "fast has 2GiB free, and the copy takes at least 3GiB" in site.refused()
    site.pool(free=4 * GIB)
    assert site.planned().plan.changed


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"more": "<shareable/>"}, "is shareable"),
        ({"more": "<readonly/>"}, "is read only"),
        ({"more": "<transient/>"}, "is transient"),
        ({"more": '<encryption format="luks"/>'}, "is encrypted"),
        ({"root": ROOT.replace('"disk"', '"lun"').format(file="/dev/sdb", more="")}, "no disk vda"),
    ],
)
def test_a_disk_that_cannot_go(parts: dict[str, str], said: str) -> None:
    site = Site(**parts)
    if "no disk" in said:
        with pytest.raises(Exception, match=said):
            site.planned()
    else:
        assert said in site.refused()


@pytest.mark.parametrize(
    ("fact", "answer", "said"),
    [
        (("snapshots", VM), [("<domainsnapshot><name>s</name></domainsnapshot>", True)], "1 snap"),
        (("checkpoints", VM), ["monday"], "checkpoints monday"),
        (("block_job", VM, "vda"), "blockcommit", "a blockcommit of it is under way"),
        (("backup", VM), "<domainbackup/>", "a backup of the VM is under way"),
    ],
)
def test_what_else_is_known_of_its_image(fact: Any, answer: Any, said: str) -> None:
    site = Site()
    site.host.facts[fact] = answer
    assert said in site.refused()
    assert not site.planned(pool="local").plan.changed


def test_snapshots_inside_stay_in_the_old_volume() -> None:
    site = Site()
    site.host.facts[("inside", VM, "vda")] = Inside(2)
    found = site.planned(remove_source_storage=True)
    assert isinstance(found.plan.changes[-1], Kept) and found.plan.warnings
    assert "2 snapshots inside" in site.refused(format="raw")


def test_memory_that_is_saved_goes_on_with_the_old_image() -> None:
    assert "managedsave-remove" in Site("saved").refused()


def test_a_pool_that_takes_none() -> None:
    site = Site()
    assert "there is no storage pool nope" in site.refused(pool="nope")
    site.pool(live=False)
    assert "fast is not active" in site.refused()
    site.pool(DIR.replace('type="dir"', 'type="vstorage"'))
    assert "no volume can be made (vstorage)" in site.refused()
    for kind in ("gluster", "rbd"):
        site.pool(DIR.replace('type="dir"', f'type="{kind}"'))
        assert f"fast is {kind}, and libvirt opens no volume of such a pool" in site.refused()


def test_a_volume_of_others_is_not_touched() -> None:
    site = Site()
    site.volume("fast/web-vda.qcow2", THERE)
    assert "fast has a web-vda.qcow2 already (qcow2, 10GiB)" in site.refused()
    assert "where it is now" in site.refused(pool="local", volume="web.qcow2", format="raw")


def test_a_lun_is_overwritten_only_where_that_is_said() -> None:
    site = Site()
    site.pool(ISCSI, "/dev/disk/by-path")
    assert "name the one that is meant" in site.refused()
    lun = {"volume": "unit:0:0:1"}
    assert "say overwrite: true" in site.refused(**lun)
    site.volume("fast/unit:0:0:1", "/dev/disk/by-path/lun-1", capacity=9 * GIB, form="raw")
    assert "has 9GiB, and the disk 10GiB" in site.refused(**lun, overwrite=True)
    site.host.haves["storage_volume"].pop()
    site.volume("fast/unit:0:0:1", "/dev/disk/by-path/lun-1", form="raw")
    found = site.planned(**lun, overwrite=True)
    assert rows(found)["volumes.fast/unit:0:0:1"] == ("/dev/disk/by-path/lun-1", "absent")
    assert told(found)["declare"] == {"device": "/dev/disk/by-path/lun-1", "format": "raw"}


LUN = "/dev/disk/by-path/lun-1"


def on_a_lun(**parts: str) -> Site:
    site = Site(**parts)
    site.pool(ISCSI, "/dev/disk/by-path")
    site.volume("fast/unit:0:0:1", LUN, form="raw")
    return site


def test_a_lun_that_the_vm_has_already_is_not_overwritten() -> None:
    data = (
        f'<disk type="block" device="disk"><driver name="qemu" type="raw"/><source dev="{LUN}"/>'
        '<target dev="vdb" bus="virtio"/></disk>'
    )
    said = on_a_lun(devices=data).refused(volume="unit:0:0:1", overwrite=True)
    assert "vdb of this VM is on it; name another volume" in said


@pytest.mark.parametrize("device", [LUN, f"{LUN}-part1", f"{LUN}1"])
@pytest.mark.parametrize("kind", ["logical", "fs", "disk"])
def test_a_lun_that_a_pool_is_made_of_is_not_overwritten(kind: str, device: str) -> None:
    text = (
        f'<pool type="{kind}"><name>{{name}}</name><available>{{free}}</available><source>'
        f'<device path="{device}"/></source><target><path>{{path}}</path></target></pool>'
    )
    site = on_a_lun()
    site.host.haves["storage_pool"].append(moves.pool("vg", "/dev/vg", text))
    said = site.refused(volume="unit:0:0:1", overwrite=True)
    assert "storage_pool/vg is made of it; name another volume" in said


def test_what_others_stand_on_stays() -> None:
    site = Site()
    site.volume("local/clone", "/local/clone", below="/local/web.qcow2")
    assert "storage_volume/local/clone stands on it" in site.refused()


def test_off_it_is_read_through_its_pool() -> None:
    site = Site("stopped", file="/elsewhere/web.qcow2")
    assert "is in no storage pool" in site.refused()
    site = Site(file="/elsewhere/web.qcow2")
    found = site.planned(remove_source_storage=True)
    assert rows(found)["volumes./elsewhere/web.qcow2"] == ("/elsewhere/web.qcow2", "kept")


def test_what_is_stored_is_what_runs() -> None:
    site = Site()
    site.runs(file="/local/other.qcow2")
    assert "runs on /local/other.qcow2" in site.refused()


# ---- interrupted runs


def test_a_copy_that_goes_on_is_taken_up() -> None:
    site = Site(metadata=noted())
    site.half_made("fast/web-vda.qcow2")
    site.runs(more=MIRROR.format("no"))
    site.host.facts[("block_job", VM, "vda")] = "blockcopy"
    found = site.planned()
    assert found.joins and found.clears is None
    assert list(rows(found)) == ["disks.vda", "volumes.local/web.qcow2"]
    other = site.planned(format="raw", volume="web-vda.qcow2")
    assert not other.joins and other.clears == NOTE
    assert rows(other)["disks.vda.job"] == (f"a copy to {THERE}", "absent")
    stays = site.planned(pool="local")
    assert stays.fate is None and stays.clears == NOTE
    assert rows(stays)["volumes.fast/web-vda.qcow2"] == (HALF_MADE, "absent")
    site.vm()
    site.runs(more=MIRROR.format("no"))
    assert "a blockcopy of it is under way" in site.refused()


def test_a_copy_that_ended_is_made_anew() -> None:
    site = Site("stopped", metadata=noted())
    site.half_made("fast/web-vda.qcow2")
    anew = results(site.planned().plan.changes)[1]
    assert (anew["field"], anew["before"]) == ("volumes.fast/web-vda.qcow2", None)
    assert "made anew" in anew["note"]
    elsewhere = site.planned(volume="other.qcow2")
    assert rows(elsewhere)["volumes.fast/web-vda.qcow2"] == (HALF_MADE, "absent")


def test_a_disk_that_has_arrived_is_only_settled() -> None:
    site = Site(metadata=noted(), file=THERE)
    site.half_made("fast/web-vda.qcow2")
    site.host.facts[("block_job", VM, "vda")] = ""
    found = site.planned(remove_source_storage=True)
    assert found.fate is None and found.ends == NOTE and found.loses("local/web.qcow2")
    assert rows(found)["volumes.fast/web-vda.qcow2"] == (HALF_MADE, "whole")
    assert told(found)["source"] == "/local/web.qcow2"


def test_two_moves_of_one_vm_take_turns() -> None:
    site = Site(metadata=noted(NOTE._replace(disk="data")))
    assert "a move of its disk data is under way" in site.refused()


# ---- notes


def test_a_note_is_of_one_vm_and_goes_with_the_end() -> None:
    site = Site(metadata=noted() + MARKED)
    stored = site.move().have.definition
    assert note_of(stored) == NOTE
    moved = tree.settled(stored, site.move(), NOTE, "qcow2")
    assert note_of(moved) == NOTE, "as long as anything is left to be done"
    assert xmltree.get(moved, "devices/disk/source/@file") == THERE
    at = "metadata/fleet:resource/fleet:disk[@name='vda']"
    assert xmltree.get(moved, f"{at}/@on") == THERE
    assert xmltree.get(moved, f"{at}/@from") == "/local/web.qcow2"
    xmltree.put(stored, "uuid", "another")
    assert note_of(stored) is None


# ---- for how long


def test_a_copy_is_given_up_when_it_stands_still_or_takes_too_long() -> None:
    wanted = declared_of({"vm": VM, "disk": "vda", "pool": "fast", "timeout_s": 100, "stall_s": 9})
    watch = watching.Watch(watching.limits(wanted, GIB), 0.0)
    assert watch.see(1.0, watching.Seen(1, 10)) == ""
    assert watch.see(9.0, watching.Seen(2, 10)) == ""
    assert "nothing was copied for 10 s" in watch.see(19.0, watching.Seen(2, 10))
    assert "not done within 100 s" in watch.see(101.0, watching.Seen(3, 10))
    progress: list[dict[str, Any]] = []
    for done in (0, 1, 2, 50, 100):
        watching.told(progress, 1.0, watching.Seen(done, 100))
    assert [one["percent"] for one in progress] == [0, 50, 100]


def test_how_large_it_is_may_not_be_known() -> None:
    site = Site()
    site.host.facts[("disk_size", VM, "vda")] = None
    assert rows(site.planned())["volumes.fast/web-vda.qcow2"] == (None, "10GiB, qcow2")
    site.host.facts[("disk_size", VM, "vda")] = DiskSize(5 * GIB, GIB, GIB)
    assert rows(site.planned())["volumes.fast/web-vda.qcow2"] == (None, "5GiB, qcow2")
