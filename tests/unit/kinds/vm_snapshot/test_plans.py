"""What is planned of snapshots, by libvirt's version and by what a VM has."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import FleetError, FleetErrors
from ansible_collections.kvm.fleet.plugins.module_utils.engine.looked_at import Image
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import Have, Plan
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm_snapshot.kind import KIND
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm_snapshot.names import overlays_of
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm_snapshot.records import have_of
from support import worlds

ROOT = ("root", "vda", "/srv/web.qcow2", "qcow2")
DATA = ("data", "vdb", "/srv/data.raw", "raw")
BACKING = (
    "<backingStore type='file'><format type='qcow2'/><source file='/srv/web.s1'/><backingStore "
    "type='file'><format type='qcow2'/><source file='/srv/web.qcow2'/></backingStore>"
    "</backingStore>"
)
HERE, GONE = ("uri",), ("file", "/srv/web.qcow2")
BOOKWORM, TRIXIE = 9_000_000, 11_003_000


def disk(name: str, target: str, path: str, form: str, more: str = "") -> str:
    return (
        f"<disk type='file' device='disk'><driver name='qemu' type='{form}'/>"
        f"<source file='{path}'/><target dev='{target}' bus='virtio'/>{more}"
        f"<alias name='ua-disk-{name}'/></disk>"
    )


def domain(*disks: str, more: str = "") -> str:
    return (
        "<domain type='kvm'><name>web</name><uuid>6d4c1a0e-0f6b-4a3c-9a53-0a8a4b3d2c1f</uuid>"
        "<memory unit='MiB'>512</memory><vcpu>1</vcpu><os><type arch='x86_64'>hvm</type></os>"
        f"<devices>{''.join(disks)}{more}</devices></domain>"
    )


def record(name: str, kind: str, at: str, **more: Any) -> tuple[str, bool]:
    """libvirt's record: `at` is what the disk wrote to, `overlay` what it writes to since."""
    overlay = more.get("overlay", "")
    source = f"<source file='{overlay}'/>" if overlay else ""
    parent = f"<parent><name>{more['parent']}</name></parent>" if more.get("parent") else ""
    memory = more.get("memory", "no")
    text = (
        f"<domainsnapshot><name>{name}</name><state>{more.get('state', 'shutoff')}</state>{parent}"
        f"<creationTime>{more.get('created', 1700000000)}</creationTime>"
        f"<memory snapshot='{memory}'/>"
        f"<disks><disk name='vda' snapshot='{kind}'>{source}</disk></disks>"
        f"{domain(disk('root', 'vda', at, 'qcow2'))}</domainsnapshot>"
    )
    return text, bool(more.get("current"))


class Site:
    """A host with one VM."""

    def __init__(self, *disks: str, state: str = "stopped", version: int = BOOKWORM) -> None:
        self.disks = disks or (disk(*ROOT),)
        self.state, self.version = state, version
        self.more, self.os = "", ""
        self.records: list[tuple[str, bool]] = []
        self.clones: dict[str, str] = {}
        self.facts: dict[tuple[str, ...], Any] = {}

    def plan(self, name: str = "s1", **options: Any) -> Plan:
        runs = self.state in ("running", "paused")
        tree = xmltree.parse(domain(*self.disks, more=self.more))
        if self.os:
            xmltree.put(tree, "os/@firmware", self.os)
        facts = {"state": self.state, "autostart": False, "persistent": True}
        vm = Have("vm", "web", tree, tree if runs else None, facts)
        there = {"vm": {"web": vm}, "storage_volume": dict(self._clones())}
        asked = {
            ("libvirt_version",): self.version,
            ("snapshots", "web"): self.records,
            ("checkpoints", "web"): [],
            ("vm_job", "web"): "",
            ("backup", "web"): "",
            **{("inner_snapshots", "web", target): None for target in ("vda", "vdb", "sda")},
            **{("block_job", "web", target): "" for target in ("vda", "vdb", "sda")},
            **self.facts,
        }
        world = worlds.world(there, asked)
        params = {key: one.get("default") for key, one in KIND.spec().items()}
        [wanted] = KIND.parse({**params, "vm": "web", "name": name, **options})
        known = {have.name: have for have in have_of("web/", self.records)}
        have = known.get(wanted.name) or Have("vm_snapshot", wanted.name)
        return KIND.plan(wanted, have, world)

    def _clones(self) -> Any:
        for name, backing in self.clones.items():
            text = (
                f"<volume><name>{name}</name><target><path>/srv/{name}</path>"
                f"<format type='qcow2'/></target><backingStore><path>{backing}</path>"
                "</backingStore></volume>"
            )
            yield f"pool/{name}", Have("storage_volume", f"pool/{name}", xmltree.parse(text))

    def refused(self, name: str = "s1", **options: Any) -> str:
        with pytest.raises((FleetError, FleetErrors)) as found:
            self.plan(name, **options)
        return str(found.value)


def told(plan: Plan) -> dict[str, Any]:
    return {".".join(change.field): change.after for change in plan.changes}


# ---- what is not there


@pytest.mark.parametrize("options", [{}, {"format": "external"}, {"disks": ["root"]}])
def test_an_image_of_a_vm_that_is_off_and_not_whole_is_told(options: dict[str, Any]) -> None:
    site = Site(disk("root", "vda", "/srv/web.s0", "qcow2"), disk(*DATA))
    stands_on = Image("qcow2", 1 << 30, "/srv/web.qcow2", "qcow2")
    site.facts = {HERE: "qemu:///system", ("image", "/srv/web.s0"): stands_on, GONE: None}
    told = "disk vda needs /srv/web.qcow2, which is not there"
    assert told in site.refused(**options)
    assert site.plan(disks=["data"]).changes
    site.state = "running"
    assert site.plan(disks=["root"], format="external").changes


def test_nothing_is_merged_into_an_image_that_is_gone() -> None:
    site = Site(disk("root", "vda", "/srv/web.s1", "qcow2"))
    site.records = [record("s1", "external", "/srv/web.qcow2", overlay="/srv/web.s1", current=True)]
    stands_on = Image("qcow2", 1 << 30, "/srv/web.qcow2", "qcow2")
    site.facts = {HERE: "qemu:///system", ("image", "/srv/web.s1"): stands_on, GONE: None}
    told = "disk vda needs /srv/web.qcow2, which is not there"
    assert told in site.refused(state="absent")


def test_an_image_that_is_gone_is_told() -> None:
    site = Site()
    site.facts = {HERE: "qemu:///system", GONE: None}
    assert "disk vda needs /srv/web.qcow2, which is not there" in site.refused()


def test_old_libvirt_removes_no_image_that_the_vm_does_not_stand_on() -> None:
    site = Site(disk("root", "vda", "/srv/other.qcow2", "qcow2"))
    site.records = [record("s1", "external", "/srv/web.qcow2", overlay="/srv/web.s1")]
    assert "went away from it, and libvirt 9.0 removes no" in site.refused(state="absent")
    site.version = TRIXIE
    assert told(site.plan(state="absent"))["images./srv/web.qcow2"]


def test_a_disk_that_others_took_away_since_is_told() -> None:
    """Of a snapshot with two disks the VM has one left."""
    site = Site(disk("root", "vda", "/srv/web.s1", "qcow2"))
    text, current = record("s1", "external", "/srv/web.qcow2", overlay="/srv/web.s1", current=True)
    also = "<disk name='vdb' snapshot='external'><source file='/srv/data.s1'/></disk>"
    had = disk("data", "vdb", "/srv/data.qcow2", "qcow2")
    text = text.replace("</disks>", f"{also}</disks>", 1).replace("</devices>", f"{had}</devices>")
    site.records = [(text, current)]
    site.facts = {
        HERE: "qemu:///system",
        ("image", "/srv/web.s1"): Image("qcow2", 1 << 30, "/srv/web.qcow2", "qcow2"),
    }
    assert "vdb" in site.refused(state="absent")


@pytest.mark.parametrize("stored", ["", BACKING])
def test_of_a_vm_that_is_off_old_libvirt_finds_what_is_stored_alone(stored: str) -> None:
    site = Site(disk("root", "vda", "/srv/web.s2", "qcow2", stored))
    site.records = [
        record("s1", "external", "/srv/web.qcow2", overlay="/srv/web.s1"),
        record("s2", "external", "/srv/web.s1", overlay="/srv/web.s2", parent="s1", current=True),
    ]
    on = {"/srv/web.s2": "/srv/web.s1", "/srv/web.s1": "/srv/web.qcow2"}
    site.facts = {HERE: "qemu:///system"} | {
        ("image", path): Image("qcow2", 1 << 30, below, "qcow2") for path, below in on.items()
    }
    if stored:
        assert site.plan(state="absent").changes
    else:
        told = "disk vda writes to an overlay above, and libvirt 9.0 removes such a snapshot while"
        assert told in site.refused(state="absent")
        assert "or remove s2" in site.refused(state="absent")
    assert site.plan("s2", state="absent").changes
    site.version = TRIXIE
    assert site.plan(state="absent").changes
    site.version, site.state = BOOKWORM, "running"
    assert site.plan(state="absent").changes


# ---- which format


def test_one_of_qcow2_disks_is_inside_of_them() -> None:
    assert told(Site().plan())["format"] == "internal"


def test_one_of_an_encrypted_disk_is_never_external() -> None:
    """Its overlay would not be encrypted: what the guest writes would be there for all to read."""
    secret = "<encryption format='luks'><secret type='passphrase' usage='/srv/a'/></encryption>"
    said = "disk root is encrypted, and its overlay would not be"
    assert said in Site(disk(*ROOT, more=secret), state="running").refused()
    inside = disk(*ROOT).replace("/srv/web.qcow2'/>", f"/srv/web.qcow2'>{secret}</source>")
    assert said in Site(inside, state="running").refused()
    assert said in Site(disk(*ROOT, more=secret)).refused(format="external")
    plain = disk("data", "vdb", "/srv/data.qcow2", "qcow2")
    site = Site(disk(*ROOT, more=secret), plain)
    assert told(site.plan(format="external", disks=["data"]))["disks.data"] == "/srv/data.s1"
    assert told(site.plan())["format"] == "internal"


def test_one_with_a_raw_disk_is_external_and_says_why() -> None:
    plan = Site(disk(*ROOT), disk(*DATA)).plan()
    assert told(plan)["format"] == "external"
    assert told(plan)["disks.data"] == "/srv/data.s1"
    assert "disk data is raw" in next(c.note for c in plan.changes if c.field == ("format",))
    assert any("libvirt 9.0 cannot go back to it, 9.9 can" in one for one in plan.warnings)


def test_one_beside_checkpoints_of_backups_is_taken_while_the_vm_runs() -> None:
    site = Site()
    site.facts = {("checkpoints", "web"): ["fleet-1"]}
    said = site.refused()
    assert "can be neither internal (of a VM that is off and has checkpoints" in said
    assert "comes with libvirt 11.2, and this host has 9.0; take it while the VM runs" in said
    assert "cannot be internal: of a VM that is off" in site.refused(format="internal")
    site.version = 11_002_000
    assert told(site.plan())["format"] == "internal"
    site = Site(state="running")
    site.facts = {("checkpoints", "web"): ["fleet-1"]}
    assert told(site.plan())["format"] == "external"


def test_one_of_a_running_vm_is_external_unless_it_has_the_memory() -> None:
    site = Site(state="running")
    assert told(site.plan())["format"] == "external"
    assert any("9.0 cannot go back to it, 10.10 can" in one for one in site.plan().warnings)
    assert "has the memory too" in site.refused(format="internal")
    plan = site.plan(memory=True)
    assert (told(plan)["format"], told(plan)["memory"]) == ("internal", "inside")
    assert xmltree.get(plan.after.definition, "memory/@snapshot") == "internal"
    assert not Site(state="running", version=TRIXIE).plan().warnings


def test_memory_that_is_external_has_a_file() -> None:
    plan = Site(state="running").plan(memory=True, format="external", folder="/mnt/o")
    assert told(plan)["memory"] == "/mnt/o/web.s1.memory"
    assert told(plan)["disks.root"] == "/mnt/o/web.s1"


def test_uefi_that_runs_is_told_by_version() -> None:
    site = Site(state="running")
    site.os = "efi"
    assert "comes with libvirt 10.10, and this host has 9.0" in site.refused(
        memory=True, format="internal"
    )
    site.version = TRIXIE
    assert "(NVRAM) are not in qcow2" in site.refused(memory=True, format="internal")
    plan = site.plan()
    assert any("NVRAM" in one for one in plan.warnings)


def test_one_beside_external_ones_is_external() -> None:
    site = Site(disk("root", "vda", "/srv/web.s0", "qcow2"))
    site.records = [record("s0", "external", "/srv/web.qcow2", overlay="/srv/web.s0", current=True)]
    plan = site.plan()
    assert told(plan)["format"] == "external" and told(plan)["disks.root"] == "/srv/web.s1"
    assert xmltree.get(plan.after.definition, "parent/name") == "s0"
    inside = site.plan(format="internal")
    assert any("s0 wrote to, which cannot be removed" in one for one in inside.warnings)


def test_overlays_of_one_name_have_their_targets_too() -> None:
    images = [("vda", "/a/x.qcow2"), ("vdb", "/a/x.raw"), ("vdc", "/b/y.raw")]
    assert overlays_of(images, "s", "") == {
        "vda": "/a/x.vda.s",
        "vdb": "/a/x.vdb.s",
        "vdc": "/b/y.s",
    }


# ---- which disks


def test_disks_can_be_chosen_by_name_or_target() -> None:
    site = Site(disk(*ROOT), disk(*DATA))
    for name in ("data", "vdb"):
        plan = site.plan(disks=[name])
        assert "disks.root" not in told(plan) and told(plan)["disks.data"] == "/srv/data.s1"
    tree = plan.after.definition
    assert [one.get("snapshot") for one in tree.findall("disks/disk")] == ["no", "external"]
    assert "no such disk that is written to; there are: root, data" in site.refused(disks=["x"])
    assert "also data" in site.refused(disks=["root"], format="internal")


@pytest.mark.parametrize(
    ("xml", "why"),
    [
        ("<disk type='block' device='lun'><source dev='/dev/sdb'/>", "LUN that is passed through"),
        ("<disk type='file'><source file='/srv/s.raw'/><shareable/>", "is shared"),
        ("<disk type='file'><source file='/srv/s.raw'/><transient/>", "is transient"),
        ("<disk type='network'><source protocol='rbd' name='p/i'/>", "no path on this host"),
    ],
)
def test_what_can_be_in_none_is_never_left_out_in_silence(xml: str, why: str) -> None:
    site = Site(disk(*ROOT), f"{xml}<target dev='sda' bus='scsi'/></disk>")
    assert why in site.refused(format="external")
    assert "disks.root" in told(site.plan(disks=["root"], format="external"))


def test_what_is_only_read_or_empty_is_left_out() -> None:
    site = Site(
        disk(*ROOT),
        "<disk type='file' device='cdrom'><source file='/srv/a.iso'/><target dev='sda'/></disk>",
        "<disk type='file' device='cdrom'><target dev='sdb'/></disk>",
    )
    assert told(site.plan())["format"] == "internal"


def test_a_device_needs_a_folder() -> None:
    lv = "<disk type='block' device='disk'><source dev='/dev/vg/a'/><target dev='vda'/></disk>"
    site = Site(lv, state="running")
    assert "say in which folder its overlay goes" in site.refused()
    assert told(site.plan(folder="/srv/o"))["disks.vda"] == "/srv/o/a.s1"


# ---- what forbids it


@pytest.mark.parametrize(
    ("fact", "answer", "said"),
    [
        (("vm_job", "web"), "a migration", "at work on the VM (a migration)"),
        (("block_job", "web", "vda"), "blockcopy", "a blockcopy of disk vda is under way"),
        (("backup", "web"), "<domainbackup/>", "a backup of the VM is under way"),
    ],
)
@pytest.mark.parametrize("state", ["present", "absent", "reverted"])
def test_what_others_do_is_not_disturbed(
    fact: tuple[str, ...], answer: str, said: str, state: str
) -> None:
    site = Site(state="running")
    site.facts[fact] = answer
    if state != "present":
        site.records = [record("s1", "internal", "/srv/web.qcow2", memory="internal")]
    assert said in site.refused(state=state)


def test_a_saved_vm_keeps_its_disks() -> None:
    site = Site(state="saved")
    assert "managedsave-remove web" in site.refused()
    site.records = [record("s1", "internal", "/srv/web.qcow2")]
    assert "managedsave-remove web" in site.refused(state="reverted")


def test_memory_is_of_a_vm_that_runs_without_devices_of_the_host() -> None:
    assert "does not run" in Site().refused(memory=True)
    site = Site(state="running")
    site.more = "<filesystem type='mount'/>"
    assert "a shared folder, whose state cannot be saved" in site.refused(memory=True)
    assert told(site.plan())["format"] == "external"


def test_the_agent_is_asked_where_it_is_connected() -> None:
    site = Site(state="running")
    assert told(site.plan())["quiesce"] is False
    assert "no guest agent is connected" in site.refused(quiesce="true")
    site.more = (
        "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0' "
        "state='connected'/></channel>"
    )
    assert told(site.plan())["quiesce"] is True
    assert site.plan().after.facts["quiesces"] is True
    assert told(site.plan(quiesce="false"))["quiesce"] is False
    assert "goes on as if nothing had been" in site.refused(quiesce="true", memory=True)


# ---- to remove it


def chain(*paths: str) -> str:
    below = "".join(
        f"<backingStore type='file'><format type='qcow2'/><source file='{path}'/>"
        for path in paths[1:]
    )
    ends = "<backingStore/>" + "</backingStore>" * (len(paths) - 1)
    return disk("root", "vda", paths[0], "qcow2", more=f"{below}{ends}")


def taken() -> tuple[str, bool]:
    return record("s1", "external", "/srv/web.qcow2", overlay="/srv/web.s1", current=True)


def test_an_external_one_is_merged() -> None:
    site = Site(chain("/srv/web.s1", "/srv/web.qcow2"))
    site.records = [taken()]
    plan = site.plan(state="absent")
    assert told(plan)["disks.vda"] == "merged into /srv/web.qcow2"
    assert plan.after.facts["how"] == "merges"


def test_no_image_of_others_is_merged_into() -> None:
    site = Site(chain("/srv/web.s1", "/srv/web.qcow2"))
    site.records = [taken()]
    site.clones = {"clone.qcow2": "/srv/web.qcow2"}
    assert "is used by storage_volume/pool/clone.qcow2" in site.refused(state="absent")
    site.clones = {"web.s1": "/srv/web.qcow2"}  # the overlay itself, as a volume of a pool
    assert site.plan(state="absent").changed


def test_one_that_others_merged_leaves_its_record_only() -> None:
    site = Site(chain("/srv/web.qcow2"))
    site.records = [taken()]
    site.facts[("file", "/srv/web.s1")] = None
    plan = site.plan(state="absent")
    assert plan.after.facts["how"] == "record only" and list(told(plan)) == ["state"]


def test_what_is_inside_of_an_overlay_does_not_go_with_it() -> None:
    site = Site(chain("/srv/web.s1", "/srv/web.qcow2"))
    site.records = [taken(), record("in", "internal", "/srv/web.s1", parent="s1")]
    assert "in is inside of /srv/web.s1, and would go with it" in site.refused(state="absent")


def test_one_with_several_children_stays() -> None:
    site = Site(chain("/srv/web.s2", "/srv/web.s1", "/srv/web.qcow2"))
    site.records = [
        record("s1", "external", "/srv/web.qcow2", overlay="/srv/web.s1"),
        record("a", "external", "/srv/web.s1", overlay="/srv/web.s2", parent="s1", current=True),
        record("b", "external", "/srv/web.s1", overlay="/srv/web.b", parent="s1"),
    ]
    assert "a, b come from it" in site.refused(state="absent")


def test_an_internal_one_below_an_overlay_goes_while_the_vm_is_off() -> None:
    site = Site(chain("/srv/web.s2", "/srv/web.qcow2"), state="running")
    site.records = [
        record("s1", "internal", "/srv/web.qcow2"),
        record("s2", "external", "/srv/web.qcow2", overlay="/srv/web.s2", parent="s1"),
    ]
    assert "while the VM is off only" in site.refused(state="absent")
    assert "internal snapshot s1 in it" in site.refused("s2", state="absent")
    site.state = "stopped"
    assert site.plan(state="absent").changed


def test_what_is_not_there_need_not_go() -> None:
    assert not Site().plan(state="absent").changed


# ---- to go back to it


def test_an_external_one_is_gone_back_to_by_newer_ones() -> None:
    site = Site(chain("/srv/web.s1", "/srv/web.qcow2"))
    site.records = [taken()]
    said = site.refused(state="reverted")
    assert "9.0 does not go back to an external one, 9.9 does" in said and "/srv/web.qcow2" in said
    site.version = 9_009_000
    plan = site.plan(state="reverted")
    lost = next(change for change in plan.changes if change.field == ("disks", "vda"))
    assert lost.before == "written since, in /srv/web.s1" and "2023-11-14" in lost.note
    text, current = taken()
    site.records = [(text.replace("shutoff", "disk-snapshot"), current)]
    assert "10.10 does" in site.refused(state="reverted")


def test_no_snapshot_that_stands_on_an_image_is_written_under() -> None:
    site = Site(chain("/srv/web.s2", "/srv/web.qcow2"))
    site.records = [
        record("s1", "internal", "/srv/web.qcow2"),
        record("s2", "external", "/srv/web.qcow2", overlay="/srv/web.s2", parent="s1"),
    ]
    assert "the snapshot s2 stands on /srv/web.qcow2" in site.refused(state="reverted")


def test_no_clone_is_written_under() -> None:
    site = Site(chain("/srv/web.qcow2"))
    site.records = [record("s1", "internal", "/srv/web.qcow2", current=True)]
    assert told(site.plan(state="reverted"))["vm_state"] == "stopped"
    site.clones = {"clone.qcow2": "/srv/web.qcow2"}
    assert "under which it would become another" in site.refused(state="reverted")


def test_the_definition_goes_back_and_the_plan_says_so() -> None:
    site = Site(chain("/srv/web.qcow2"), state="running")
    text, current = record("s1", "internal", "/srv/web.qcow2", state="running", memory="internal")
    site.records = [(text.replace("<vcpu>1", "<vcpu>2"), current)]
    after = told(site.plan(state="reverted"))
    assert (after["definition.cpu.maximum"], after["vm_state"]) == (2, "running")


def test_one_that_is_not_there_is_not_gone_back_to() -> None:
    site = Site()
    site.records = [record("other", "internal", "/srv/web.qcow2")]
    assert "the VM has: other" in site.refused(state="reverted")


def test_names_become_files() -> None:
    for name in ("", "a/b", ".a", " a"):
        assert "is empty, begins with" in Site().refused(name)
    assert "is 300 bytes long" in Site().refused("ü" * 150)


# ---- what QEMU takes a name for inside of an image


INNER = ("inner_snapshots", "web", "vda")


def test_a_name_that_is_inside_already_is_not_taken_twice() -> None:
    site = Site()
    site.facts[INNER] = [("1", "s1")]
    plan = site.plan()
    assert told(plan)["format"] == "external"
    assert "/srv/web.qcow2 has a snapshot s1 in it" in plan.changes[0].note
    assert "of which libvirt has no record" in site.refused(format="internal")
    assert told(site.plan("s2"))["format"] == "internal"


@pytest.mark.parametrize("name", ["1", "0", "00042"])
def test_a_number_is_no_name_for_what_qemu_numbers(name: str) -> None:
    assert told(Site().plan(name))["format"] == "external"
    assert "for the number of a snapshot" in Site().refused(name, format="internal")


@pytest.mark.parametrize("name", ["20261127", "v1", "1.0"])
def test_a_date_is_a_name(name: str) -> None:
    assert told(Site().plan(name))["format"] == "internal"


def held(*inner: tuple[str, str], name: str = "s1") -> Site:
    site = Site()
    site.records = [record(name, "internal", "/srv/web.qcow2", current=True)]
    site.facts[INNER] = list(inner)
    return site


def test_what_is_gone_back_to_is_found_by_its_name() -> None:
    assert held(("1", "first"), ("2", "s1")).plan(state="reverted").changes
    said = held(("1", "first"), ("2", "1"), name="1").refused("1", state="reverted")
    assert "for the number of the snapshot first inside of /srv/web.qcow2" in said
    assert "remove first first" in said
    assert held(("1", "first"), ("2", "1"), name="1").plan("1", state="absent").changes


@pytest.mark.parametrize("state", ["absent", "reverted"])
def test_of_two_of_one_name_neither_is_meant(state: str) -> None:
    said = held(("1", "s1"), ("3", "s1")).refused(state=state)
    assert "2 snapshots inside of /srv/web.qcow2 are called s1" in said


def test_one_that_others_removed_leads_nowhere() -> None:
    assert "has no snapshot s1 in it any more" in held().refused(state="reverted")
    assert held().plan(state="absent").changes


def test_an_image_below_is_not_looked_into() -> None:
    """libvirt reads the one that is written to only."""
    site = held(name="s1")
    site.disks = (disk(*ROOT[:2], "/srv/web.over", "qcow2", chain("/srv/web.qcow2")),)
    site.records.append(record("s2", "external", "/srv/web.qcow2", overlay="/srv/web.over"))
    assert "s2 stands on /srv/web.qcow2" in site.refused(state="reverted")
    assert "any more" not in site.refused(state="reverted")


def test_a_disk_that_others_moved_goes_back_onto_its_old_image() -> None:
    site = held(("1", "s1"))
    site.disks = (disk("root", "vda", "/mnt/moved.qcow2", "qcow2"),)
    [gone] = [one for one in site.plan(state="reverted").changes if one.field[0] == "disks"]
    assert (gone.before, gone.after) == ("/mnt/moved.qcow2", "/srv/web.qcow2")
    assert "/mnt/moved.qcow2, where it is now, stays" in gone.note


# ---- its description


def described(text: str) -> Site:
    site = Site()
    site.records = [record("s1", "internal", "/srv/web.qcow2")]
    [(xml, current)] = site.records
    said = f"<description>{text}</description></domainsnapshot>"
    site.records = [(xml.replace("</domainsnapshot>", said), current)]
    return site


def test_a_description_is_kept_with_the_white_space_around_it() -> None:
    taken = Site().plan(description=" two\r\n  lines\n").after.definition
    assert taken.findtext("description") == " two\n  lines\n"
    [changed] = described("old").plan(description="new\n").changes
    assert (changed.before, changed.after) == ("old", "new\n")
    assert changed.after.endswith("\n")


@pytest.mark.parametrize("text", ["as it is", "as it is\n", "\n  as it is "])
def test_the_white_space_around_a_description_counts_for_nothing(text: str) -> None:
    assert not described("  as it is\n").plan(description=text).changes


def test_a_snapshot_is_told_with_the_white_space_around_its_description() -> None:
    site = described(" a\n")
    [have] = have_of("web/", site.records)
    said = KIND.result(have)["description"]
    assert (type(said), said) == (str, " a\n")


def test_a_description_that_xml_cannot_hold_is_refused() -> None:
    assert "description: 'a\\x01' holds" in Site().refused(description="a\x01")
