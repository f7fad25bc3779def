"""The plan for a VM that is to be as in a backup: which one, as what, what is lost for it."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import FleetError, FleetErrors
from ansible_collections.kvm.fleet.plugins.module_utils.engine.looked_at import File, Image, Layout
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import Have
from ansible_collections.kvm.fleet.plugins.module_utils.engine.showing import results, summary
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.storage_volume.layouts import (
    as_options,
)
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.derived import (
    derived_mac,
    derived_uuid,
)
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm_restore.case import Case
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm_restore.declared import declared_of
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm_restore.planned import (
    Planned,
    planned,
)
from support import backups, moves
from support.backups import DATA, DIRECTORY, IMAGE, backup, copy
from support.moves import GIB, MAC, UUID, VM

FOLDER = f"{DIRECTORY}/{VM}"
CHAIN = [backup("one", 3), backup("two", 2, "one"), backup("three", 1, "two")]


class Site(backups.Site):
    """A host with backups of a VM, which is off or absent."""

    def __init__(
        self, *of: Any, absent: bool = False, state: str = "stopped", **parts: str
    ) -> None:
        super().__init__(*(of or CHAIN), state=state, **parts)
        if absent:
            self.host.haves["vm"] = []
        facts = self.host.facts
        facts[("checkpoints", VM)] = []
        for folder in ("/local", "/nfs"):
            facts.update({("room", folder): 100 * GIB, ("read_only", folder): False})
        for one in self.told["backups"]:
            text = moves.domain(**{"file": IMAGE, **parts})
            facts[("backed_up_definition", FOLDER, one)] = text
        for folder in ("/local", "/nfs"):
            facts[("file", folder)] = File("folder")
            facts[("folder", folder)] = {}
        for path in ("/nfs/copy-vda.qcow2", "/nfs/web-vda.qcow2"):
            facts[("file", path)] = None
            facts[("place", path)] = path
        self.noted(VM)
        self.noted("copy")

    def noted(self, target: str, **said: Any) -> None:
        """Let an earlier run have noted what it did."""
        self.host.facts[("restoring", FOLDER, target)] = said

    def case(self, **options: Any) -> Case:
        params = {"vm": VM, "directory": DIRECTORY, "overwrite": False, "state": "stopped"}
        return Case(self.host.world(), declared_of({**params, **options}))

    def planned(self, **options: Any) -> Planned:  # type: ignore[override]
        return planned(self.case(**options))

    def refused(self, **options: Any) -> str:
        with pytest.raises((FleetErrors, FleetError)) as error:
            self.planned(**options)
        return str(error.value)


def rows(found: Planned) -> dict[str, Any]:
    return {row["field"]: row["after"] for row in results(found.plan.changes)}


def asleep(site: Site) -> None:
    """Its disk was in a pool whose file system is not mounted."""
    site.host.haves["storage_pool"] = [moves.pool("nfs", "/nfs", moves.NETFS, live=False)]
    site.told["backups"]["three"]["disks"][0].update(source="/nfs/web")
    site.host.facts[("file", "/nfs/web")] = None
    site.host.facts[("place", "/nfs/web")] = "/nfs/web"


def gone(site: Site, path: str = IMAGE) -> Site:
    site.host.facts[("file", path)] = None
    return site


# ---- which


def test_the_last_that_is_whole_or_the_one_that_is_named() -> None:
    site = gone(Site(absent=True))
    assert site.case().backup.id == "three"
    assert [one.id for one in site.case(backup="two").chain] == ["two", "one"]
    assert site.case(before="2027-01-13T12:00:00Z").backup.id == "two"
    assert "no backup" in site.refused(before="2020-01-01")
    assert "there are: one, two, three" in site.refused(backup="four")
    site.lacks("three", "vda.qcow2")
    assert site.case().backup.id == "two"
    assert "three cannot be restored: three/vda.qcow2 is missing" in site.refused(backup="three")


def test_those_of_a_chain_with_a_gap_are_none() -> None:
    site = Site(absent=True)
    site.lacks("two", "vda.qcow2")
    assert site.case().backup.id == "one"
    assert "two/vda.qcow2 is missing" in site.refused(backup="three")


# ---- the same VM


def test_a_vm_that_is_absent_comes_where_it_was() -> None:
    found = gone(Site(absent=True)).planned()
    assert rows(found) == {"backup": "three", "definition": VM, "disks.vda": IMAGE}
    assert summary([found.plan]) == "plan: 3 changes (3 stored)"


def test_nothing_that_is_there_is_lost_unasked() -> None:
    assert f"{IMAGE} is there" in Site(absent=True).refused()
    said = Site().refused()
    assert "is there, and what its disks have now would be lost" in said
    found = Site().planned(overwrite=True)
    assert rows(found)[f"images.{IMAGE}"] == "absent"
    assert f"removes: vm_restore/web images.{IMAGE}" in summary([found.plan])


def test_a_vm_that_runs_is_stopped_by_its_user() -> None:
    assert "is running; stop it first" in Site(state="running").refused(overwrite=True)


def test_options_that_were_changed_since_go_back_and_records_go() -> None:
    site = Site()
    facts = site.host.facts
    facts[("checkpoints", VM)] = ["fleet-three"]
    text = moves.domain(file=IMAGE).replace("<vcpu>2</vcpu>", "<vcpu>1</vcpu>")
    facts[("backed_up_definition", FOLDER, "three")] = text
    found = site.planned(overwrite=True)
    assert rows(found)["definition.cpu.count"] == 1
    assert rows(found)["checkpoints"] == "absent"


def test_a_disk_that_is_elsewhere_by_now_is_left_and_told() -> None:
    site = gone(Site())
    have = site.host.haves["vm"][0]
    xmltree.put(have.definition, "devices/disk/source/@file", "/nfs/elsewhere")
    site.host.facts[("place", "/nfs/elsewhere")] = "/nfs/elsewhere"
    found = site.planned(overwrite=True)
    assert rows(found)["images./nfs/elsewhere"] == "kept"


def test_a_second_run_leaves_what_the_first_made() -> None:
    site = Site()
    site.noted(VM, backup="three", uuid=UUID, files=[], done=True)
    assert not site.planned().plan.changed
    assert rows(site.planned(state="running")) == {"state": "running"}
    assert site.planned(overwrite=True).restores, "asked for, each run does it anew"
    assert "is there" in site.refused(backup="two")
    site.noted(VM, backup="three", uuid="another", files=[], done=True)
    assert "is there" in site.refused()


def test_a_vm_that_waits_for_its_disks_gets_them_from_the_next_run() -> None:
    optional = DATA.format("raw", "").replace("data'/>", "data' startupPolicy='optional'/>")
    disks = (copy(), copy("vdb", format="raw", source="/local/data"))
    site = Site(backup("three", 1, disks=disks), devices=optional)
    barred = site.case(overwrite=True).barred
    paths = [disk.find("source").attrib for disk in barred.findall("devices/disk")]  # type: ignore[union-attr]
    assert paths == [{"file": f"{IMAGE}.restoring"}, {"file": "/local/data.restoring"}]
    site.host.haves["vm"] = [Have("vm", VM, barred, None, {"state": "stopped"})]
    said = {"backup": "three", "uuid": UUID, "files": [IMAGE, "/local/data"]}
    site.noted(VM, **said, done=False)
    found = site.planned()
    assert rows(found) == {"backup": "three", "disks.vda": IMAGE, "disks.vdb": "/local/data"}
    assert "was interrupted" in found.plan.warnings[0]
    site.noted(VM, **{**said, "uuid": "another"}, done=False)
    assert "say overwrite: true" in site.refused(), "it is not known whose it is"


def test_an_overlay_that_an_interrupted_run_left_does_not_stand_in_its_way() -> None:
    """Once the VM waits for its disks, nothing says any more that it had it. A note does."""
    overlay = "/local/web.s1"
    site = Site()
    site.host.facts.update({("place", overlay): overlay, ("file", overlay): File("file")})
    barred = site.case(overwrite=True).barred
    site.host.haves["vm"] = [Have("vm", VM, barred, None, {"state": "stopped"})]
    site.host.haves["storage_volume"] = [moves.volume("local/web.s1", overlay, below=IMAGE)]
    said = {"backup": "three", "uuid": UUID, "files": [IMAGE], "done": False}
    site.noted(VM, **said)
    assert "is used by storage_volume/local/web.s1" in site.refused()
    site.noted(VM, **said, left=[overlay])
    assert rows(site.planned())[f"images.{overlay}"] == "kept"
    site.host.haves["vm"].append(moves.vm(name="other", file=overlay, uuid="x"))
    site.host.facts[("image", overlay)] = Image("qcow2", GIB, IMAGE, "qcow2")
    assert "disks.vda of vm/other" in site.refused(), "another VM has it by now"


def test_another_vm_of_its_name_is_not_replaced() -> None:
    site = Site()
    xmltree.put(site.host.haves["vm"][0].definition, "uuid", "another")
    assert "is another VM by its UUID (another, and not" in site.refused(overwrite=True)


def test_another_vm_is_replaced_only_if_it_was_restored_from_here() -> None:
    """Its UUID is that of its name, wherever it is from."""
    site = Site()
    there = moves.vm("stopped", name="copy", uuid=derived_uuid("copy"), file="/nfs/copy-vda.qcow2")
    site.host.haves["vm"].append(there)
    asked = {"name": "copy", "pool": "nfs", "overwrite": True}
    assert "is there, and was not restored from /backup/web" in site.refused(**asked)
    site.noted("copy", backup="one", uuid=derived_uuid("copy"), done=True)
    assert site.planned(**asked).restores


def test_what_an_interrupted_run_made_may_go() -> None:
    site = Site(absent=True)
    site.noted(VM, backup="two", uuid=UUID, files=[IMAGE], done=False)
    found = site.planned()
    assert rows(found)["disks.vda"] == IMAGE and f"images.{IMAGE}" not in rows(found)
    assert "was interrupted" in found.plan.warnings[0]
    site.noted(VM, backup="two", uuid=UUID, files=[IMAGE], done=True)
    assert f"{IMAGE} is there" in site.refused()


def test_a_raw_disk_is_raw_again() -> None:
    disks = (copy(), copy("vdb", format="raw", source="/local/data"))
    site = Site(backup("one", 1, disks=disks), devices=DATA.format("raw", ""))
    found = site.planned(overwrite=True)
    disks_then = found.case.definition.findall("devices/disk")
    formats = [xmltree.get(one, "driver/@type") for one in disks_then]
    assert formats == ["qcow2", "raw"]


def test_a_disk_is_laid_out_as_it_was_where_the_backup_says_it() -> None:
    layout = Layout(3, 1 << 17, True)
    disks = (copy(layout=layout), copy("vdb", format="raw", source="/local/data", layout=layout))
    site = Site(backup("one", 1, disks=disks), devices=DATA.format("raw", ""))
    found = site.planned(overwrite=True)
    assert [one.layout for one in found.case.disks] == [layout, None]
    notes = {row["field"]: row.get("note") for row in results(found.plan.changes)}
    like = "; laid out as it was: cluster_size 128KiB, lazy_refcounts"
    assert notes["disks.vda"] == f"qcow2, as in one, standing on nothing{like}"
    assert "laid out" not in notes["disks.vdb"]
    assert as_options(layout) == "compat=1.1,cluster_size=131072,lazy_refcounts=on"


def test_a_disk_that_the_backup_has_not_stays_or_is_not_shared() -> None:
    site = Site(backup("one", 1), devices=DATA.format("qcow2", ""))
    assert rows(site.planned(overwrite=True))["disks.vdb"] == "kept"
    found = site.planned(name="copy", pool="nfs")
    assert rows(found)["disks.vdb"] == "absent"
    assert len(found.case.definition.findall("devices/disk")) == 1


# ---- another VM


def test_another_vm_has_all_that_tells_vms_apart_for_itself() -> None:
    found = Site(state="running").planned(name="copy", pool="nfs")
    tree = found.case.definition
    assert xmltree.get(tree, "name") == "copy" and xmltree.get(tree, "uuid") == derived_uuid("copy")
    assert xmltree.get(tree, "devices/interface/mac/@address") == derived_mac("copy", "0")
    assert rows(found)["disks.vda"] == "/nfs/copy-vda.qcow2"
    assert rows(found)[f"macs.{MAC}"] == derived_mac("copy", "0")
    assert xmltree.get(tree, "devices/disk/source/@file") == "/nfs/copy-vda.qcow2"


def test_its_nvram_is_its_own() -> None:
    nvram = "<loader readonly='yes' type='pflash'>/x</loader><nvram>/var/lib/x_VARS.fd</nvram>"
    one = backup("one", 1)
    site = Site(one, os=nvram)
    site.told["backups"]["one"]["files"].append({"what": "nvram", "file": "nvram"})
    path = "/var/lib/libvirt/qemu/nvram/copy_VARS.fd"
    site.host.facts[("file", path)] = None
    found = site.planned(name="copy", pool="nfs")
    assert rows(found)["files.nvram"] == path
    assert xmltree.get(found.case.definition, "os/nvram") == path
    source = "<nvram type='file' template='/t'><source file='/var/lib/x_VARS.fd'/></nvram>"
    os = nvram.partition("<nvram>")[0] + source
    text = moves.domain(file=IMAGE, os=os)
    site.host.facts[("backed_up_definition", FOLDER, "one")] = text
    found = site.planned(name="copy", pool="nfs")
    assert rows(found)["files.nvram"] == path, "that of the first VM is not written to"
    element = found.case.definition.find("os/nvram")
    assert element is not None and element.attrib == {"template": "/t"} and len(element) == 0


def test_its_firmware_tells_its_own_uuid() -> None:
    entry = f"<system><entry name='serial'>7</entry><entry name='uuid'>{UUID}</entry></system>"
    text = moves.domain(file=IMAGE).replace(
        "<devices>", f"<sysinfo type='smbios'>{entry}</sysinfo><devices>"
    )
    site = Site(backup("one", 1))
    site.host.facts[("backed_up_definition", FOLDER, "one")] = text
    tree = site.planned(name="copy", pool="nfs").case.definition
    told = [one.text for one in tree.iterfind("sysinfo/system/entry")]
    assert told == ["7", derived_uuid("copy")]


# ---- what is refused


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"name": "copy"}, "is needed for another VM"),
        ({"name": "copy", "pool": "gone"}, "there is no storage pool gone"),
        ({"name": "a/b", "pool": "nfs"}, "is no name of a VM"),
        ({"before": "yesterday"}, "is no time"),
        ({"before": "2026-11-27", "backup": "one"}, "leave one out"),
        ({"timeout_s": 0}, "less than 1"),
        ({"directory": "x"}, "no absolute path"),
    ],
)
def test_a_declaration_that_cannot_be(options: dict[str, Any], said: str) -> None:
    assert said in gone(Site()).refused(**options)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda site: site.told.update(holder="another run (process 7)"), "process 7) is at work"),
        (lambda site: site.told.update(exists=False), "there is no folder /backup; mount it"),
        (lambda site: site.told.update(file="/backup"), "/backup is no folder; name another"),
        (lambda site: site.told.update(read_only=True), "a run notes there what it has begun"),
        (lambda site: site.host.facts.update({("room", "/local"): 1}), "has 1B left"),
        (lambda site: site.host.facts.update({("read_only", "/local"): True}), "can only be read"),
        (asleep, "nfs, in which /nfs/web is to be, is not active"),
        (lambda site: site.host.facts.update({("uri",): "qemu+ssh://a/system"}), "another machine"),
        (
            lambda site: site.host.facts.update({("backed_up_definition", FOLDER, "three"): ""}),
            "cannot be read",
        ),
        (
            lambda site: site.host.facts.update({("file", "/usr/bin/qemu-img"): None}),
            "install qemu-utils",
        ),
        (
            lambda site: site.told["backups"]["three"]["disks"][0].update(source="/dev/vg/web"),
            "which is no file; name a pool",
        ),
        (
            lambda site: site.host.haves["vm"].append(moves.vm(name="other", file=IMAGE, uuid="x")),
            "is used by disks.vda of vm/other",
        ),
        (
            lambda site: site.host.facts.update({("owner", "vm", UUID): "other"}),
            "other has its UUID",
        ),
    ],
)
def test_what_stands_against_it_is_said(change: Any, said: str) -> None:
    site = Site()
    change(site)
    assert said in site.refused(overwrite=True)
