"""The plan of a move: what goes, what becomes of it there, what stays, and by which mode."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.changes import Kept
from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import FleetErrors
from ansible_collections.kvm.fleet.plugins.module_utils.engine.looked_at import Layout
from ansible_collections.kvm.fleet.plugins.module_utils.engine.move_facts import Inside
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import Have
from ansible_collections.kvm.fleet.plugins.module_utils.engine.showing import (
    diff_of,
    results,
    summary,
)
from ansible_collections.kvm.fleet.plugins.module_utils.engine.xmltree import parse
from ansible_collections.kvm.fleet.plugins.module_utils.moving.fate import DiskFate, layout_kept
from ansible_collections.kvm.fleet.plugins.module_utils.moving.fates import fates
from ansible_collections.kvm.fleet.plugins.module_utils.moving.mapped import definition_there
from ansible_collections.kvm.fleet.plugins.module_utils.moving.mode import chosen
from ansible_collections.kvm.fleet.plugins.module_utils.moving.notes import ARRIVED, Note, noted
from ansible_collections.kvm.fleet.plugins.module_utils.moving.planned import (
    left_behind,
    planned,
)
from ansible_collections.kvm.fleet.plugins.module_utils.moving.standing import standing
from support import moves
from support.moves import DIR, GIB, NETFS, Two

LOCAL = "local/web.qcow2"
NVRAM = "/var/lib/libvirt/qemu/nvram/web_VARS.fd"
EFI = f'<loader type="pflash">/usr/share/OVMF/OVMF_CODE_4M.fd</loader><nvram>{NVRAM}</nvram>'
CLONE = (
    '<backingStore type="file"><format type="qcow2"/><source file="/local/base"/>'
    "<backingStore/></backingStore>"
)
DATA = (
    '<disk type="file" device="disk"><driver type="qcow2"/><source file="/local/data"/>{}'
    '<alias name="ua-disk-data"/><target dev="vdb" bus="virtio"/></disk>'
)


def rows(plan: Any) -> dict[str, tuple[Any, Any]]:
    return {row["field"]: (row["before"], row["after"]) for row in results(plan.changes)}


def fate_of(two: Two, name: str = "vda") -> DiskFate:
    return next(fate for fate in fates(two.move()) if fate.name == name)


# ---- the plan


def test_a_live_move_on_shared_storage_is_one_change() -> None:
    done = planned(Two().move())
    assert rows(done.plan) == {"host": ("kvm1", "kvm2")}
    assert (done.mode.name, done.mode.storage) == ("live", "shared")
    [change] = done.plan.changes
    assert change.effect == "live" and change.undo().after == "kvm1"  # type: ignore[union-attr]
    assert summary([done.plan]) == "plan: 1 change (1 live)"
    assert any("unencrypted" in warning for warning in done.plan.warnings)
    assert done.plan.resource == "migration/web" and done.plan.changed


def test_what_is_copied_is_told_and_what_stays_at_the_source() -> None:
    two = Two()
    two.on_local()
    done = planned(two.move())
    assert rows(done.plan) == {
        "host": ("kvm1", "kvm2"),
        "copies.disks.vda": (None, "kvm2: /local/web.qcow2"),
        "disks.vda": ("/local/web.qcow2", "kept"),
    }
    assert "removes" not in summary([done.plan])
    assert "kvm2: /local/web.qcow2" in diff_of(done.plan)["after"]


def test_a_copy_is_laid_out_as_it_is_at_the_source() -> None:
    two = Two()
    two.on_local()
    [there] = [have for have in two.source.haves["storage_volume"] if have.name == LOCAL]
    for path, value in (("compat", "1.1"), ("clusterSize", "4096"), ("features/extended_l2", "")):
        xmltree.put(there.definition, f"target/{path}", value)
    move = two.move()
    [fate] = fates(move)
    assert layout_kept(move, fate) == Layout(3, 4096, False, True)
    notes = {row["field"]: row.get("note", "") for row in results(planned(move).plan.changes)}
    assert notes["copies.disks.vda"].endswith("; laid out as now: cluster_size 4KiB, extended_l2")
    assert layout_kept(move, fate._replace(format="raw")) is None
    assert layout_kept(move, fate._replace(how="shared")) is None


def test_the_source_is_cleared_of_disks_only_where_that_is_declared() -> None:
    two = Two()
    two.on_local()
    two.options["remove_source_storage"] = True
    done = planned(two.move())
    assert rows(done.plan)["disks.vda"] == ("/local/web.qcow2", "absent")
    assert "removes: migration/web disks.vda" in summary([done.plan])
    two = Two()
    two.options["remove_source_storage"] = True  # what both have is nobody's copy
    assert list(rows(planned(two.move()).plan)) == ["host"]


@pytest.mark.parametrize("state", ["running", "stopped"])
def test_state_beside_the_disks_goes_over_and_leaves_nothing(state: str) -> None:
    two = Two()
    two.vm(state, os=EFI)
    told = rows(planned(two.move()).plan)
    assert told["copies.nvram"] == (None, f"kvm2: {NVRAM}")
    assert told["nvram"] == (NVRAM, "absent")
    assert "removes" not in summary([planned(two.move()).plan])


def test_a_state_file_in_a_folder_of_others_stays() -> None:
    two = Two()
    two.vm("running", os=EFI.replace(NVRAM, "/elsewhere/web.fd"))
    assert rows(planned(two.move()).plan)["nvram"] == ("/elsewhere/web.fd", "kept")
    two.vm("running", os=EFI.replace(NVRAM, "/nfs/web.fd"))
    assert left_behind(two.move()) == []  # the target has the same file


def test_a_plan_with_failures_is_none_and_names_them_all() -> None:
    two = Two()
    two.target.haves["vswitch"] = []
    two.target.haves["storage_volume"] = []
    with pytest.raises(FleetErrors) as error:
        planned(two.move())
    assert [one.field for one in error.value.errors] == ["disks.vda", "nics.52:54:00:00:00:01"]
    assert "make it there" in str(error.value)


# ---- modes


@pytest.mark.parametrize(
    ("state", "asked", "mode"),
    [
        ("running", "auto", "live"),
        ("paused", "auto", "live"),
        ("stopped", "auto", "offline"),
        ("stopped", "live", "live"),
        ("running", "offline", "offline"),
    ],
)
def test_the_mode(state: str, asked: str, mode: str) -> None:
    two = Two(options={"mode": asked})
    two.vm(state)
    move = two.move()
    found = chosen(move, fates(move))
    assert found.name == mode
    assert ("as declared" if asked != "auto" else state) in found.why
    two.on_local(state=state)
    move = two.move()
    assert chosen(move, fates(move)).storage == "copied"


# ---- what becomes of disks


def test_a_clone_is_copied_as_a_layer_where_its_image_is_there() -> None:
    two = Two()
    two.on_local(more=CLONE)
    for host in (two.source, two.target):
        host.haves["storage_volume"] = [moves.volume("local/base", "/local/base")]
    fate = fate_of(two)
    assert (fate.how, fate.backing, fate.backing_format) == ("layer", "/local/base", "qcow2")
    assert fate.allocation == 3 * GIB
    two.options["backing"] = "flatten"
    assert (fate_of(two).how, fate_of(two).backing) == ("flattened", "")
    assert fate_of(two).allocation == 6 * GIB


def test_layers_and_whole_copies_are_not_mixed() -> None:
    """libvirt has one flag for all disks of a move."""
    two = Two()
    two.on_local(more=CLONE, devices=DATA.format(CLONE.replace("base", "gone")))
    for host in (two.source, two.target):
        host.haves["storage_volume"] = [moves.volume("local/base", "/local/base")]
    assert [fate.how for fate in fates(two.move())] == ["flattened", "flattened"]
    two.on_local(more=CLONE, devices=DATA.format(""))
    two.source.haves["storage_volume"].append(moves.volume("local/base", "/local/base"))
    assert [fate.how for fate in fates(two.move())] == ["layer", "copied"]


@pytest.mark.parametrize(("state", "how"), [("running", "layer"), ("stopped", "flattened")])
def test_a_layer_that_is_streamed_names_its_image_by_the_same_path(state: str, how: str) -> None:
    two = Two(options={"pools": {"local": "other"}})
    two.on_local(state=state, more=CLONE)
    two.source.haves["storage_volume"].append(moves.volume("local/base", "/local/base"))
    two.target.haves["storage_pool"] = [moves.pool("other", "/other")]
    two.target.haves["storage_volume"] = [moves.volume("other/base", "/other/base")]
    assert fate_of(two).how == how


def test_disks_go_by_their_own_names() -> None:
    two = Two()
    two.on_local(devices=DATA.format(""))
    fate = fate_of(two, "data")
    assert (fate.target, fate.about, fate.pool_there, fate.volume_there) == (
        *("vdb", "disks.data"),
        *("local", "data"),
    )


def test_a_disk_of_no_pool_goes_where_the_target_has_one_for_its_folder() -> None:
    two = Two()
    two.vm(file="/images/web.qcow2")
    assert fate_of(two).how == "local"
    two.target.haves["storage_pool"] = [moves.pool("images", "/images")]
    fate = fate_of(two)
    assert (fate.how, fate.pool, fate.pool_there, fate.there) == (
        *("copied", "", "images"),
        "/images/web.qcow2",
    )


# ---- the definition there


def there(two: Two) -> Any:
    move = two.move()
    return definition_there(move, fates(move), move.have.definition)


def test_what_is_called_alike_is_defined_alike() -> None:
    two = Two()
    before = moves.domain()
    assert moves_text(there(two)) == moves_text(parse(before))


def moves_text(tree: Any) -> str:
    from ansible_collections.kvm.fleet.plugins.module_utils.engine.xmltree import serialise

    return serialise(tree)


def test_other_names_are_mapped() -> None:
    two = Two(options={"pools": {"nfs": "share"}, "vswitches": {"lan": "lan-b"}})
    two.target.haves["storage_pool"] = [moves.pool("share", "/mnt", NETFS)]
    domain = there(two)
    assert domain.find("devices/disk/source").attrib == {"file": "/mnt/web.qcow2"}
    assert domain.find("devices/interface/source").attrib == {
        "network": "lan-b",
        "portgroup": "web",
    }


def test_a_copy_on_devices_is_a_disk_on_a_device() -> None:
    two = Two(options={"pools": {"local": "vg"}})
    root = moves.ROOT.format(file="/local/web.qcow2", more="").replace("qcow2", "raw")
    two.vm(root=root)
    vg = DIR.replace('"dir"', '"logical"')
    two.target.haves["storage_pool"] = [moves.pool("vg", "/dev/vg", vg)]
    disk = there(two).find("devices/disk")
    assert (disk.get("type"), disk.find("source").attrib) == ("block", {"dev": "/dev/vg/web.raw"})


def test_a_copied_disk_says_nothing_of_what_it_stands_on() -> None:
    two = Two()
    two.on_local(more=CLONE)
    assert there(two).find("devices/disk/backingStore") is None


# ---- standing


def test_a_vm_that_nothing_binds_can_move() -> None:
    assert standing(moves.vm("running"), 0) == {"live": True, "offline": False, "reasons": []}
    assert standing(moves.vm("stopped"), 0) == {"live": False, "offline": True, "reasons": []}


def test_what_binds_a_vm_is_a_reason_in_whatever_state_it_is() -> None:
    hostdev = '<hostdev type="pci"><source><address bus="0x03"/></source></hostdev>'
    for state in ("running", "stopped"):
        found = standing(moves.vm(state, devices=hostdev), 0)
        assert found["live"] is False and found["offline"] is (state == "stopped")
        [reason] = found["reasons"]
        assert reason.startswith("live: devices/hostdev bus=0x03: pci device of the host")
    found = standing(moves.vm("stopped"), 2)
    assert (found["live"], found["offline"]) == (False, False)
    assert found["reasons"][0].startswith("live and offline: snapshots: ")


def test_a_vm_that_is_not_stored_moves_live_only() -> None:
    tree = parse(moves.domain())
    facts = {"state": "running", "autostart": False, "persistent": False}
    found = standing(Have("vm", "web", tree, tree, facts), 0)
    assert (found["live"], found["offline"]) == (True, False)


def test_sizes_that_nobody_can_measure_are_those_of_the_volume() -> None:
    two = Two()
    two.on_local()
    two.source.facts.pop(("disk_size", "web", "vda"))
    assert (fate_of(two).capacity, fate_of(two).allocation) == (10 * GIB, 3 * GIB)


# ---- what is others' too


CLONE_OF_WEB = "".join(
    (
        '<disk type="file" device="disk"><driver name="qemu" type="qcow2"/>',
        '<source file="/local/clone.qcow2"/><backingStore type="file"><format type="qcow2"/>',
        '<source file="/local/web.qcow2"/><backingStore/></backingStore>',
        '<target dev="vda" bus="virtio"/></disk>',
    )
)


def kept_at_source(two: Two) -> dict[str, str]:
    two.options["remove_source_storage"] = True
    return {
        row["field"]: row["note"]
        for row in results(planned(two.move()).plan.changes)
        if row["after"] == "kept"
    }


@pytest.mark.parametrize("state", ["running", "stopped"])
def test_an_old_disk_on_which_another_vm_stands_stays(state: str) -> None:
    two = Two()
    two.on_local(state=state)
    two.source.haves["vm"].append(moves.vm("stopped", name="clone", root=CLONE_OF_WEB))
    said = kept_at_source(two)
    assert "disks.vda of vm/clone with /local/clone.qcow2 stands on it" in said["disks.vda"]


def test_an_old_disk_that_another_vm_has_too_stays() -> None:
    two = Two()
    two.on_local()
    two.source.haves["vm"].append(moves.vm("stopped", name="other", file="/local/web.qcow2"))
    assert "disks.vda of vm/other writes to it" in kept_at_source(two)["disks.vda"]


def test_an_old_disk_on_which_a_volume_of_nobody_stands_stays() -> None:
    two = Two()
    two.on_local()
    clone = moves.volume("local/clone", "/local/clone", below="/local/web.qcow2")
    two.source.haves["storage_volume"].append(clone)
    assert "storage_volume/local/clone stands on it" in kept_at_source(two)["disks.vda"]


def test_an_old_disk_with_snapshots_inside_stays_where_they_do_not_go_over() -> None:
    two = Two()
    two.on_local()
    two.source.facts[("inside", "web", "vda")] = Inside(2)
    assert kept_at_source(two)["disks.vda"] == "at kvm1; it alone has its 2 snapshots"
    two.on_local(state="stopped")
    assert "disks.vda" not in kept_at_source(two)


def test_what_finishes_a_live_move_knows_that_snapshots_did_not_go_over() -> None:
    """The VM is off at the source by then."""
    two = Two()
    two.on_local(state="stopped")
    two.source.facts[("inside", "web", "vda")] = Inside(2)
    two.options["remove_source_storage"] = True
    for mode, kept in (("live", True), ("offline", False)):
        here = parse(moves.domain(file="/local/web.qcow2"))
        there = noted(here, Note("kvm1", "kvm2", mode, ARRIVED))
        two.target.haves["vm"] = [Have("vm", "web", there, facts={"state": "running"})]
        [behind] = left_behind(two.move())
        assert isinstance(behind, Kept) is kept


def test_what_an_old_disk_stands_on_is_told_to_stay() -> None:
    two = Two()
    two.on_local(more=CLONE)
    two.source.haves["storage_volume"].append(moves.volume("local/base", "/local/base"))
    two.options["remove_source_storage"] = True
    [lost] = [row for row in results(planned(two.move()).plan.changes) if row["after"] == "absent"]
    assert lost["field"] == "disks.vda" and lost["note"] == "at kvm1; /local/base stays there too"


def test_state_of_two_vms_in_one_file_stays() -> None:
    two = Two()
    two.vm("stopped", os=EFI)
    two.source.haves["vm"].append(moves.vm("stopped", name="clone", os=EFI))
    assert kept_at_source(two)["nvram"] == "at kvm1, clone uses it too"


# ---- what waits for the next start


def test_what_waits_is_stored_at_the_target_as_it_is_at_the_source() -> None:
    """The image behind a target that runs is not put in the place of the one that is stored."""
    two = Two()
    two.on_local()
    found = fates(two.move())
    waits = parse(moves.domain(file="/nfs/new.qcow2"))
    there = definition_there(two.move(), found, waits)
    assert there.find("devices/disk/source").get("file") == "/nfs/new.qcow2"  # type: ignore[union-attr]
