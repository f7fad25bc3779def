"""Which option libvirt speaks of where it refuses a definition."""

from __future__ import annotations

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.changes import Changed
from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import FleetError
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import (
    UPDATE,
    Have,
    Plan,
    Wanted,
)
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.judge import judged
from support import worlds

FIELDS = (
    ("memory", "shared"),
    ("shared_folders", "logs"),
    ("iommu", "model"),
    ("host_devices", "gpu", "rom", "file"),
)

DISK = "<disk type='file' device='disk'><source file='/a'/><target dev='vda' bus='virtio'/></disk>"


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ("virtiofs does not yet support read-only mode", "shared_folders.logs"),
        ("IOMMU device: 'intel' is only supported with Q35 machines", "iommu.model"),
        ("ROM tuning is not supported when ROM is disabled", "host_devices.gpu.rom.file"),
        ("internal error: No free USB ports", None),
        ("something else", None),
    ],
)
def test_of_several_changes_the_one_is_named_that_is_meant(said: str, field: str | None) -> None:
    after = Have("vm", "web", xmltree.parse("<domain><name>web</name></domain>"))
    before = Have("vm", "web", xmltree.parse("<domain><name>web</name><vcpu>1</vcpu></domain>"))
    changes = tuple(Changed("vm/web", key, "a", "b", "stored") for key in FIELDS)
    plan = Plan(Wanted("vm", "web", "present"), UPDATE, before, after, changes)

    def told(tree: xmltree.Element) -> str | None:
        return None if tree.find("vcpu") is not None else said

    with pytest.raises(FleetError) as refused:
        judged(plan, told, worlds.world({}))
    assert (refused.value.field or None) == field
    assert "internal error" not in str(refused.value)


def test_what_was_said_against_one_copy_is_said_with_or_without_the_change() -> None:
    """A VM without a disk is judged with several, of which each can meet something else first."""
    feature, no_usb = "unknown CPU feature: pauth", "USB is disabled for this domain"

    def told(tree: xmltree.Element) -> str:
        return no_usb if tree.find("devices/disk/target[@bus='usb']") is not None else feature

    before = xmltree.parse("<domain><name>web</name><devices/></domain>")
    after = xmltree.clone(before)
    xmltree.put(after, "title", "a")
    warnings = judged(_plan(before, after), told, worlds.world({})).warnings
    assert warnings == (f"libvirt has this against it, with or without the change: {feature}",)
    after.find("devices").append(xmltree.parse(DISK))
    assert judged(_plan(before, after), told, worlds.world({})).warnings == warnings


@pytest.mark.parametrize("disk", ["", DISK])
@pytest.mark.parametrize(
    "said",
    [
        # libvirt 9.0 writes <hmat> of a cell without an associativity down so that it refuses it.
        "XML error: Missing 'associativity' attribute in cache element for NUMA node 0",
        # It reads in what it would not define, such as what was defined beside an older QEMU.
        "unsupported configuration: Emulator '/usr/bin/qemu' does not support machine type 'pc-0'",
    ],
)
def test_no_change_is_planned_of_what_libvirt_would_not_take_again(said: str, disk: str) -> None:
    before = xmltree.parse(f"<domain><name>web</name><devices>{disk}</devices></domain>")
    after = xmltree.clone(before)
    xmltree.put(after, "title", "a")
    with pytest.raises(FleetError, match=r"stored already: .*; mend that first \(virsh edit web"):
        judged(_plan(before, after), lambda _tree: said, worlds.world({}))


def test_that_no_disk_of_ours_has_a_place_refuses_no_change() -> None:
    before = xmltree.parse("<domain><name>web</name><devices/></domain>")
    after = xmltree.clone(before)
    xmltree.put(after, "title", "a")
    said = "XML error: No PCI buses available"
    assert judged(_plan(before, after), lambda _tree: said, worlds.world({})).warnings


def test_what_only_a_disk_of_ours_met_before_is_said_against_a_device_that_comes() -> None:
    no_usb = "USB is disabled for this domain"

    def told(tree: xmltree.Element) -> str | None:
        ours = tree.find("devices/disk/target[@bus='usb']")
        return no_usb if ours is not None or tree.find("devices/hostdev") is not None else None

    before = xmltree.parse("<domain><name>web</name><devices/></domain>")
    after = xmltree.clone(before)
    after.find("devices").append(xmltree.parse("<hostdev type='usb'/>"))
    with pytest.raises(FleetError, match="USB is disabled"):
        judged(_plan(before, after), told, worlds.world({}))


def test_a_lun_of_a_pool_is_judged_as_a_device() -> None:
    volume = "<source pool='p' volume='v'/><target dev='sda' bus='scsi'/>"
    domain = f"<domain><name>web</name><devices>%s<disk type='volume' device='lun'>{volume}</disk>"
    before = xmltree.parse(f"{domain % DISK}</devices></domain>")
    after = xmltree.clone(before)
    xmltree.put(after, "title", "a")

    def told(tree: xmltree.Element) -> str | None:
        lun = tree.find("devices/disk[@device='lun']")
        is_device = lun.get("type") == "block" and lun.find("source").get("dev")
        return None if is_device else "disk device='lun' is only valid for block type disk source"

    assert judged(_plan(before, after), told, worlds.world({})).warnings == ()


@pytest.mark.parametrize("protocol", ["iscsi", "nfs"])
def test_libvirt_is_given_no_image_of_a_server_without_its_host(protocol: str) -> None:
    disk = (
        f"<disk type='network' device='disk'><source protocol='{protocol}' name='iqn:a/1'/>"
        "<target dev='vda' bus='virtio'/></disk>"
    )
    before = xmltree.parse(f"<domain><name>web</name><devices>{disk}</devices></domain>")
    after = xmltree.clone(before)
    xmltree.put(after, "title", "a")

    def told(tree: xmltree.Element) -> None:
        for source in tree.iterfind("devices/disk/source[@protocol]"):
            assert source.find("host") is not None, "libvirtd 9.0 would crash"

    warnings = judged(_plan(before, after), told, worlds.world({})).warnings
    assert warnings == (
        "is stored, but libvirt would refuse to start it: iqn:a/1 is an image by "
        f"{protocol}, and its host is missing",
    )


def _plan(before: xmltree.Element, after: xmltree.Element) -> Plan:
    change = Changed("vm/web", ("title",), "", "a", "stored")
    haves = (Have("vm", "web", before), Have("vm", "web", after))
    return Plan(Wanted("vm", "web", "present"), UPDATE, *haves, (change,))
