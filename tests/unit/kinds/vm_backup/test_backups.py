"""The plan for backups: which disks are copied how and why, what goes, what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine.looked_at import Layout
from ansible_collections.kvm.fleet.plugins.module_utils.engine.showing import results, summary
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm_backup import manifest, watching
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm_backup.case import Case
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm_backup.declared import declared_of
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm_backup.facts import lasting
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm_backup.planned import Planned
from support.backups import CHANNEL, DATA, DIRECTORY, IMAGE, Site, backup, copy
from support.moves import GIB, MIB, VM


def rows(found: Planned) -> dict[str, Any]:
    return {row["field"]: row["after"] for row in results(found.plan.changes)}


def notes(found: Planned) -> dict[str, str]:
    return {row["field"]: row.get("note", "") for row in results(found.plan.changes)}


# ---- whole, or what was written since


def test_the_first_is_whole_and_begins_a_checkpoint() -> None:
    found = Site().planned()
    assert rows(found) == {"backups.new": "full", "disks.vda": "full", "checkpoint": "new"}
    assert notes(found)["disks.vda"] == "it is the first here"
    assert "no guest agent is connected" in notes(found)["backups.new"]
    assert (found.tracked, found.mode, found.parent) == (("vda",), "full", "")
    assert summary([found.plan]) == "plan: 3 changes (3 live)"


def test_the_next_has_what_was_written_since() -> None:
    found = Site(backup("one", 2), backup("two", 1, "one")).planned()
    assert rows(found)["backups.new"] == "incremental"
    assert rows(found)["checkpoints.fleet-two"] == "absent"
    assert found.parent == "two" and found.fates[0].parent == "two"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda site: site.host.facts[("checkpoints", VM)].clear(), "libvirt has no checkpoint"),
        (lambda site: site.host.facts[("bitmaps", VM, "fleet-one")].clear(), "QEMU's bitmap"),
        (lambda site: site.disk(vda=11 * GIB), "its size is another now"),
        (lambda site: site.lacks("one", "vda.qcow2"), "one/vda.qcow2 is missing"),
        (lambda site: site.told["backups"]["one"].update(uuid="x"), "of an earlier VM"),
        (lambda site: site.told["backups"]["one"].update(checkpoint=""), "has a checkpoint"),
        (
            lambda site: site.told["backups"]["one"].update(parent="zero"),
            "one stands on zero, which is not there",
        ),
        (
            lambda site: site.told["backups"]["one"]["disks"][0].update(had_snapshots=True),
            "there were snapshots inside of its image",
        ),
        (lambda site: site.told["backups"]["one"].update(disks=[]), "one has it not"),
    ],
)
def test_it_becomes_whole_by_itself_and_says_why(change: Any, why: str) -> None:
    site = Site(backup("one", 1))
    change(site)
    found = site.planned()
    assert why in notes(found)["disks.vda"] and found.mode == "full"
    assert why in site.refused(mode="incremental")


def test_a_chain_has_an_end() -> None:
    chain = [backup("b0", 9), *(backup(f"b{n}", 9 - n, f"b{n - 1}") for n in range(1, 4))]
    assert Site(*chain).planned(max_incrementals=4).mode == "incremental"
    assert "3 incremental ones" in notes(Site(*chain).planned(max_incrementals=3))["disks.vda"]
    assert Site(*chain).planned(max_incrementals=3, mode="incremental").mode == "incremental"


def test_a_raw_disk_is_whole_beside_one_that_is_not() -> None:
    disks = (copy(), copy("vdb", format="raw", source="/local/data"))
    site = Site(backup("one", 1, disks=disks), devices=DATA.format("raw", ""))
    found = site.planned()
    assert (rows(found)["disks.vda"], rows(found)["disks.vdb"]) == ("incremental", "full")
    assert "it is raw" in notes(found)["disks.vdb"] and found.tracked == ("vda",)
    assert "vdb cannot be: it is raw" in site.refused(mode="incremental")


def test_a_disk_that_came_since_is_whole_and_tracked() -> None:
    found = Site(backup("one", 1), devices=DATA.format("qcow2", "")).planned()
    assert notes(found)["disks.vdb"] == "one has it not" and found.tracked == ("vda", "vdb")


def test_the_backup_of_which_the_checkpoint_is_there_is_built_upon() -> None:
    """A copy of the VM while it was off has none, and what is newer lost its own."""
    site = Site(backup("one", 3), backup("off", 2, checkpoint="", how="off"))
    site.host.facts[("checkpoints", VM)] = []
    site.checkpoint("fleet-one", vda=MIB)
    assert site.planned().parent == "one"


def test_without_a_checkpoint_the_one_that_is_there_stays() -> None:
    found = Site(backup("one", 1)).planned(mode="full", checkpoint=False)
    assert rows(found) == {"backups.new": "full", "disks.vda": "full"}


def test_the_guest_is_asked_where_its_agent_is_connected() -> None:
    spice = '<channel type="spicevmc"><target type="virtio" name="com.redhat.spice.0"/></channel>'
    assert Site(devices=spice + CHANNEL).planned().quiesces, "whichever channel is the first"
    site = Site(devices=CHANNEL)
    assert site.planned().quiesces and not site.planned(quiesce="false").quiesces
    assert "no guest agent" in Site().refused(quiesce="true")
    assert not Site(state="paused", devices=CHANNEL).planned().quiesces


# ---- off


def test_a_vm_that_is_off_is_copied_whole() -> None:
    found = Site(backup("one", 1), state="stopped").planned()
    assert rows(found) == {"backups.new": "full", "disks.vda": "full"}
    assert "qemu-img" in notes(found)["backups.new"] and found.checkpoints == ()
    assert "the VM is stopped" in Site(state="stopped").refused(mode="incremental")


def test_a_vm_that_is_off_is_not_copied_again_as_long_as_nobody_writes_to_it() -> None:
    site = Site(state="stopped")
    definition = Case(site.host.world(), declared_of({**PLAIN})).definition
    disks = (copy(written="3 bytes, 1.0"),)
    one = backup("one", 1, how="off", checkpoint="", definition=definition, disks=disks)
    same = Site(one, state="stopped")
    assert not same.planned().plan.changed and same.planned().there == "one"
    assert same.planned(name="another").makes
    same.host.facts[("written", IMAGE)] = "3 bytes, 2.0"
    assert same.planned().makes
    assert Site(one, state="stopped", devices=CHANNEL).planned().makes
    assert Site(one).planned().makes


PLAIN = {"vm": VM, "directory": DIRECTORY, "state": "present", "mode": "auto", "checkpoint": True}


# ---- whether


def test_a_name_is_one_backup() -> None:
    site = Site(backup("one", 1, named=True))
    found = site.planned(name="one", mode="full")
    assert not found.plan.changed and found.there == "one"
    site.lacks("one", "vda.qcow2")
    assert "is there, and of no use" in site.refused(name="one")
    site.told["backups"]["one"].update(uuid="x", lacks=[])
    assert "of an earlier VM" in site.refused(name="one")


def test_a_young_one_does() -> None:
    site = Site(backup("one", 0.5))
    assert not site.planned(max_age="1d").plan.changed
    assert site.planned(max_age="11h").makes
    site.lacks("one", "vda.qcow2")
    assert site.planned(max_age="1d").makes


# ---- what goes


def test_old_chains_go_as_a_whole_the_last_of_each_first() -> None:
    chains = [
        *(backup("a", 9), backup("a1", 8, "a"), backup("b", 7), backup("b1", 6, "b")),
        backup("c", 5),
    ]
    grows = Site(*chains).planned(keep=2)
    assert [one.backup.id for one in grows.going] == ["a1", "a"]
    anew = Site(*chains).planned(keep=2, mode="full")
    assert [one.backup.id for one in anew.going] == ["b1", "b", "a1", "a"]
    assert rows(anew)["backups.a"] == "absent" and "2 chains are kept" in notes(anew)["backups.a"]
    assert "removes: vm_backup/web backups.b1" in summary([anew.plan])
    last = Site(*chains).planned(keep=1, max_age="9d")
    assert not last.makes and [one.backup.id for one in last.going] == ["b1", "b", "a1", "a"]


def test_days_and_chains_are_kept_by_either() -> None:
    chains = [backup("a", 9), backup("a1", 8, "a"), backup("b", 7), backup("c", 5)]
    by_days = Site(*chains).planned(keep_days=8)
    assert [one.backup.id for one in by_days.going] == ["a1", "a"]
    assert Site(*chains).planned(keep_days=8, keep=3).going == ()
    assert Site(backup("a", 99)).planned(keep_days=1, max_age="99d").going == ()


def test_what_is_named_broken_or_of_others_stays() -> None:
    named = backup("a", 9, named=True)
    found = Site(named, backup("b", 5), backup("c", 2)).planned(keep=1, mode="full")
    assert [one.backup.id for one in found.going] == ["c", "b"]
    site = Site(backup("a", 9), backup("b", 5), backup("c", 2))
    site.told["others"]["a"] = ["notes.txt"]
    site.lacks("b", "vda.qcow2")
    assert [one.backup.id for one in site.planned(keep=1, mode="full").going] == ["c"]
    assert Site(backup("a", 9, uuid="x"), backup("b", 2)).planned(keep=1).going == ()


def test_a_checkpoint_goes_with_its_backup_and_else_both_stay() -> None:
    site = Site(backup("a", 9), backup("b", 5, checkpoint=""), backup("c", 2, checkpoint=""))
    site.host.facts[("checkpoints", VM)] = []
    site.checkpoint("fleet-a", vda=1)
    found = site.planned(keep=1, mode="full", checkpoint=False)
    assert [one.backup.id for one in found.going] == ["c", "b", "a"]
    assert found.checkpoints == ("fleet-a",)
    off = Site(backup("a", 9), backup("c", 2, checkpoint=""), state="stopped")
    off.host.facts[("checkpoints", VM)] = ["fleet-a"]
    assert [one.backup.id for one in off.planned(keep=1).going] == ["c"]


def test_one_that_is_to_go() -> None:
    site = Site(backup("one", 2, named=True), backup("two", 1, "one", named=True))
    assert "two stand on it" in site.refused(name="one", state="absent")
    found = site.planned(name="two", state="absent")
    assert rows(found) == {"checkpoints.fleet-two": "absent", "backups.two": "absent"}
    assert not site.planned(name="three", state="absent").plan.changed
    site.told["others"]["two"] = ["notes.txt"]
    assert "does not name (notes.txt)" in site.refused(name="two", state="absent")


# ---- what interrupted runs left


def test_what_is_half_made_is_cleared_with_its_checkpoint() -> None:
    site = Site(backup("one", 1))
    mark = {"checkpoint": "fleet-x", "disks": [], "files": []}
    site.told["leftovers"] = [("x", mark, []), ("y", {}, ["notes.txt"])]
    site.checkpoint("fleet-x", vda=1)
    found = site.planned()
    assert rows(found)["backups.x.partial"] == "absent"
    assert rows(found)["checkpoints.fleet-x"] == "absent" and found.parent == "one"
    assert [one.id for one in found.clears] == ["x"]
    assert any("y.partial is left alone" in said for said in found.plan.warnings)
    assert "y.partial has files of others" in site.refused(name="y")


def test_a_backup_that_libvirt_still_makes_is_ended_if_it_was_ours() -> None:
    site = Site()
    text = '<domainbackup><disks><disk name="vda"><target file="{}"/></disk></disks></domainbackup>'
    site.host.facts[("backup", VM)] = text.format("/backup/web/x.partial/vda.qcow2")
    site.host.facts[("block_job", VM, "vda")] = "backup"
    site.told["leftovers"] = [("x", {"disks": [], "files": []}, [])]
    assert "libvirt still fills it" in notes(site.planned())["backups.x.partial"]
    site.host.facts[("backup", VM)] = text.format("/elsewhere/vda.qcow2")
    assert "a backup of the VM is under way" in site.refused()


# ---- what is refused


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda site: site.told.update(exists=False), "there is no folder /backup"),
        (lambda site: site.told.update(file="/backup/web"), "/backup/web is no folder; name"),
        (lambda site: site.told.update(read_only=True), "so that it can only be read"),
        (lambda site: site.told.update(holder="another run (process 7)"), "process 7) is at work"),
        (lambda site: site.host.facts.update({("room", DIRECTORY): GIB}), "1GiB left, and about"),
        (
            lambda site: site.host.facts.update({("room", f"{DIRECTORY}/{VM}"): MIB}),
            "1MiB left, and about",
        ),
        (lambda site: site.host.facts.update({("vm_job", VM): "a save"}), "at work on it (a save)"),
        (
            lambda site: site.host.facts.update({("block_job", VM, "vda"): "blockcopy"}),
            "a blockcopy of disk vda is under way",
        ),
        (lambda site: site.host.facts.update({("uri",): "qemu+ssh://a/system"}), "another machine"),
        (lambda site: site.host.facts.update({("driver",): "TEST"}), "another machine"),
    ],
)
def test_what_cannot_be_is_refused_with_its_reason(change: Any, said: str) -> None:
    site = Site()
    change(site)
    assert said in site.refused()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("<shareable/>", "is shared with other VMs"),
        ("<transient/>", "is transient"),
        ('<encryption format="luks"/>', "is encrypted"),
    ],
)
def test_disks_that_can_be_in_none_are_left_out_only_if_that_is_said(more: str, said: str) -> None:
    site = Site(devices=DATA.format("qcow2", more))
    assert said in site.refused()
    assert rows(site.planned(disks=["vda"])) == rows(Site().planned())
    assert "no such disk" in site.refused(disks=["vdz"])


def test_a_tool_that_is_missing_is_named() -> None:
    site = Site(state="stopped")
    site.host.facts[("file", "/usr/bin/qemu-img")] = None
    assert "install qemu-utils" in site.refused()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"max_age": "soon"}, "is no time"),
        ({"name": "../x"}, "is no name of a folder"),
        ({"name": "x.partial"}, "is no name of a folder"),
        ({"state": "absent"}, "is needed with state: absent"),
        ({"name": "x", "max_age": "1d"}, "is for backups without a name"),
        ({"keep": 0}, "0 is less than 1"),
        ({"directory": "backup"}, "is no absolute path"),
        ({"bandwidth": "10"}, "has no unit"),
        ({"mode": "incremental", "checkpoint": False}, "begins a checkpoint"),
        ({"disks": []}, "is empty"),
    ],
)
def test_a_declaration_that_means_nothing(options: dict[str, Any], said: str) -> None:
    assert said in Site().refused(**options)


# ---- manifests


def test_a_manifest_is_read_as_it_was_written() -> None:
    one = backup("one", 1)
    assert manifest.backup_in(json.loads(manifest.text_of(one))) == one
    laid_out = backup("two", 1, disks=(copy(layout=Layout(2, 4096)),))
    assert manifest.backup_in(json.loads(manifest.text_of(laid_out))) == laid_out


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda told: told.update(format=2), "format 2"),
        (lambda told: told.pop("uuid"), "broken"),
        (lambda told: told["disks"][0].update(file="../../etc/passwd"), "outside of its folder"),
        (lambda told: told["disks"][0].pop("file"), "broken"),
        (lambda told: told.update(id="other"), "it was renamed or copied"),
    ],
)
def test_a_manifest_that_is_none_is_left_alone_with_its_folder(change: Any, said: str) -> None:
    site = Site(backup("one", 1))
    change(site.told["backups"]["one"])
    found = site.planned(keep=1)
    assert found.mode == "full" and found.going == ()
    assert said in " ".join(found.plan.warnings)


def test_what_moves_is_in_no_digest() -> None:
    assert lasting(frozenset([("now",), ("room", "/a"), ("vm", "web")])) == {("vm", "web")}


def test_a_watch_gives_up_what_stands_or_takes_too_long() -> None:
    watch = watching.Watch(GIB, 100.0, 10.0, 0.0)
    assert not watch.see(1.0, watching.Seen(1, 9)) and not watch.see(10.0, watching.Seen(1, 9))
    assert "nothing was copied for 11 s" in watch.see(12.0, watching.Seen(1, 9))
    assert "not done within 100 s" in watch.see(101.0, watching.Seen(2, 9))
