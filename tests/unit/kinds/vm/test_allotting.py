"""Who gets which place: one pass over all that comes, with what leaves gone before."""

from __future__ import annotations

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.keys import ABSENT, PRESENT, Values
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.allotting import (
    Drive,
    Needs,
    drive_of,
    places,
    targets,
)
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.plugging import plugged

VDA, SDA = Drive("virtio", "vda"), Drive("scsi", "sda", (0, 0, 0))


@pytest.mark.parametrize(
    ("stay", "come", "given"),
    [
        ([], {"new": Drive("virtio")}, {"new": "vda"}),
        ([VDA], {"a": Drive("virtio"), "b": Drive("virtio")}, {"a": "vdb", "b": "vdc"}),
        ([], {"kept": Drive("sata", "sdc", (0, 0, 2))}, {"kept": "sdc"}),
        ([SDA], {"moves": Drive("sata", "sda")}, {"moves": "sdb"}),
        # The place is taken by one under another name.
        ([Drive("scsi", "sdz", (0, 0, 0))], {"a": Drive("scsi")}, {"a": "sdb"}),
        # What the one before had is free for the next; what the next has is not for the first.
        (
            [],
            {"a": Drive("scsi", "vda"), "b": Drive("virtio", "sda")},
            {"a": "sdb", "b": "vda"},
        ),
        ([Drive("xen", "xvda")], {"other": Drive("xen", "xvdb")}, {}),
        (
            [Drive("scsi", f"sd{letter}", drive) for letter, drive in (("a", None), ("b", None))],
            {"a": Drive("scsi")},
            {"a": "sdc"},
        ),
    ],
)
def test_targets_are_given_in_one_pass(
    stay: list[Drive], come: dict[str, Drive], given: dict[str, str]
) -> None:
    assert targets(stay, come) == given


@pytest.mark.parametrize(
    ("target", "unit"),
    [("sda", (0, 0, 0)), ("sdg", (0, 0, 6)), ("sdh", (0, 0, 8)), ("sdp", (1, 0, 0))],
)
def test_a_scsi_target_means_a_place_beside_the_controller(
    target: str, unit: tuple[int, int, int]
) -> None:
    disk = xmltree.parse(f"<disk><target dev='{target}' bus='scsi'/></disk>")
    assert drive_of(disk) == Drive("scsi", target, unit)


def test_a_said_place_counts() -> None:
    address = "<address type='drive' controller='0' bus='0' target='0' unit='5'/>"
    disk = xmltree.parse(f"<disk><target dev='sda' bus='scsi'/>{address}</disk>")
    assert drive_of(disk).unit == (0, 0, 5)


# ---- PCI


def port(index: int) -> str:
    return f"<controller type='pci' index='{index}' model='pcie-root-port'/>"


def at(bus: int, slot: int = 0) -> str:
    return f"<address type='pci' bus='0x{bus:02x}' slot='0x{slot:02x}' function='0x0'/>"


def machine(*devices: str) -> xmltree.Element:
    return xmltree.parse(f"<domain><devices>{''.join(devices)}</devices></domain>")


def test_each_has_a_port_of_its_own() -> None:
    live = machine(port(1), port(2), port(16), f"<interface>{at(1)}</interface>")
    come = dict.fromkeys(("a", "b", "c"), Needs.PORT)
    assert places(live, come) == {"a": (2, 0), "b": (16, 0)}


def test_the_older_pci_is_on_a_bridge() -> None:
    bridge = "<controller type='pci' index='2' model='pcie-to-pci-bridge'/>"
    live = machine(port(1), bridge, f"<sound>{at(2, 1)}</sound>")
    come = {"old": Needs.SLOT, "new": Needs.PORT, "next": Needs.SLOT}
    assert places(live, come) == {"old": (2, 2), "new": (1, 0), "next": (2, 3)}


def test_on_a_pci_root_all_share_the_slots() -> None:
    """A controller of several functions takes one."""
    usb = "".join(f"<controller type='usb'>{at(0, 4)}</controller>" for _function in range(4))
    live = machine("<controller type='pci' index='0' model='pci-root'/>", usb)
    come = {name: (Needs.PORT, Needs.SLOT)[name % 2] for name in range(40)}
    given = places(live, come)
    assert len(set(given.values())) == len(given) == 28
    assert given[0] == (0, 3) and given[1] == (0, 5)


# ---- what leaves makes room


def disk(target: str, order: int, where: str = "") -> str:
    return (
        f"<disk device='disk'><target dev='{target}' bus='virtio'/><boot order='{order}'/>"
        f"<alias name='ua-disk-{target}{order}'/>{where}</disk>"
    )


@pytest.mark.parametrize(
    ("devices", "paused", "made"),
    [
        ({("disks", "vda1"): ABSENT, ("disks", "vda2"): PRESENT}, False, 2),
        ({("disks", "vda2"): PRESENT, ("disks", "vda1"): ABSENT}, False, 2),
        ({("disks", "vda2"): PRESENT}, False, 0),
        # A guest that is paused lets nothing go, and so there is no room.
        ({("disks", "vda1"): ABSENT, ("disks", "vda2"): PRESENT}, True, 0),
        ({("disks", "vda1"): PRESENT}, False, 0),
        ({("cdroms", "vda1"): ABSENT}, False, 0),
    ],
)
def test_what_leaves_makes_room_in_the_same_run(devices: Values, paused: bool, made: int) -> None:
    live = machine(port(1), disk("vda", 1, at(1)))
    definition = machine(port(1), disk("vda", 2))
    assert len(plugged(live, definition, devices, paused)) == made
