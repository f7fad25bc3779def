"""Devices of the host: how they are written, and which VM has one already."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import Doubt, Mistakes
from ansible_collections.kvm.fleet.plugins.module_utils.engine.fields import edit, items_of
from ansible_collections.kvm.fleet.plugins.module_utils.engine.keys import PRESENT, UNION, Key
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import (
    UPDATE,
    Have,
    Plan,
    Wanted,
)
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm import claimed, host_devices, tree
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.host_device_rows import (
    HOST_DEVICES,
    PCI_ADDRESS,
    USB_DEVICE,
    see_through_places,
)
from support import worlds

ADDRESS = "<address{} domain='0x0000' bus='0x03' slot='0x00' function='0x{}'/>"
PCI = "<hostdev mode='subsystem' type='pci'><source>" + ADDRESS + "</source>{}</hostdev>"
OURS = "<alias name='ua-hostdev-gpu'/>"
USB = (
    "<hostdev mode='subsystem' type='usb'><source>{}</source><alias name='ua-hostdev-key'/>"
    "</hostdev>"
)
MODEL = "<vendor id='0x046d'/><product id='0x0825'/>"
PLACE = "<address bus='1' device='{}'/>"
_TYPED, _PLAIN = ADDRESS.format(" type='pci'", 0), ADDRESS.format("", 0)
NIC = f"<interface type='hostdev'><source>{_TYPED}</source></interface>"
NVME = f"<disk type='nvme'><source type='pci' namespace='1'>{_PLAIN}</source></disk>"


@pytest.mark.parametrize(
    "given", ["0000:03:00.0", "03:00.0", "0:3:0.0", "pci_0000_03_00_0", "0000:03:00.0 "]
)
def test_a_pci_address_is_written_in_many_ways(given: str) -> None:
    assert PCI_ADDRESS.parse(given) == "0000:03:00.0"


@pytest.mark.parametrize("given", ["180.0", "03:20.0", "03:00.8", "03:00", "gpu", "12345:03:00.0"])
def test_what_is_no_pci_address(given: str) -> None:
    with pytest.raises(ValueError, match="is no PCI address"):
        PCI_ADDRESS.parse(given)


@pytest.mark.parametrize(
    "given, means",
    [
        ("046d:0825", "046d:0825"),
        ("0x046D:0x0825", "046d:0825"),
        ("001/004", "1/4"),
        ("/dev/bus/usb/001/004", "1/4"),
        ("046d:0825@001/010", "046d:0825@1/10"),
    ],
)
def test_a_usb_device_is_its_model_or_its_place(given: str, means: str) -> None:
    assert USB_DEVICE.parse(given) == means
    assert USB_DEVICE.decode(USB_DEVICE.encode(means)) == means


@pytest.mark.parametrize("given", ["1.4", "1-4", "46d:825", "046d:0825@", "@1/4", "046d:08251/4"])
def test_what_is_no_usb_device(given: str) -> None:
    with pytest.raises(ValueError, match="is no USB device"):
        USB_DEVICE.parse(given)


def test_a_usb_device_that_runs_is_where_libvirt_found_it() -> None:
    """What was declared by its model has a place as well then, and no change comes of it."""
    stored = domain(USB.format(MODEL) + USB.format("").replace("ua-hostdev-key", "other"))
    live = domain(USB.format(MODEL + PLACE.format(4)))
    assert list(items_of(HOST_DEVICES, live)) == ["key"]
    values = tree.domain_values(live)
    assert values[("host_devices", "key", "source")] == {"usb": "046d:0825@1/4"}
    see_through_places(values, tree.domain_values(stored))
    assert values[("host_devices", "key", "source")] == {"usb": "046d:0825"}


def domain(devices: str) -> xmltree.Element:
    return xmltree.parse(f"<domain><vcpu>1</vcpu><devices>{devices}</devices></domain>")


def told(brought: str, other: str, live: str = "", had: str = "") -> list[str]:
    """What the rule says of a VM that is brought devices, where another has some."""
    before = Have("vm", "web", domain(had))
    after = Have("vm", "web", domain(brought))
    plan = Plan(Wanted("vm", "web", "present", {}, {}), UPDATE, before, after, ())
    runs = domain(live) if live else None
    world = worlds.world({"vm": {"other": Have("vm", "other", domain(other), runs)}})
    world.add(plan)
    return [f"{type(error).__name__} {error.field}" for error in claimed.one_vm_each([plan], world)]


GPU = PCI.format("", 0, OURS)
PCI_ERROR = ["FleetError host_devices.gpu.pci"]


@pytest.mark.parametrize("other", [PCI.format("", 0, ""), NIC, NVME])
def test_a_device_has_one_vm_in_whatever_form_it_has_it(other: str) -> None:
    assert told(GPU, other) == PCI_ERROR
    assert told(GPU, "", live=other) == PCI_ERROR
    assert told(GPU, other, had=GPU) == []
    assert told("", other) == []


@pytest.mark.parametrize("brought, field", [(NIC, "nics"), (NVME, "disks")])
def test_what_no_option_says_is_a_warning(brought: str, field: str) -> None:
    assert told(brought, GPU) == [f"{Doubt.__name__} {field}"]


def test_another_function_is_another_device() -> None:
    assert told(GPU, PCI.format("", 1, "")) == []


@pytest.mark.parametrize(
    "brought, other, refused",
    [
        (MODEL, MODEL, True),
        (MODEL, MODEL + PLACE.format(4), True),
        (MODEL + PLACE.format(4), MODEL + PLACE.format(5), False),
        (PLACE.format(4), MODEL + PLACE.format(4), True),
        (PLACE.format(4), PLACE.format(5), False),
        (PLACE.format(4), MODEL, False),  # which is where nobody knows before it runs
        (MODEL, MODEL.replace("0825", "0826"), False),
    ],
)
def test_a_usb_device_is_the_same_as_far_as_both_say(
    brought: str, other: str, refused: bool
) -> None:
    assert told(USB.format(brought), USB.format(other)) == (
        ["FleetError host_devices.key.usb"] if refused else []
    )


@pytest.mark.parametrize(
    ("becomes", "source"),
    [
        ({"usb": "046d:0825"}, MODEL),
        ({"usb": "1/4"}, PLACE.format(4)),
        ({"usb": "046d:0825@2/5"}, MODEL + "<address bus='2' device='5'/>"),
        ({"pci": "0000:03:00.0"}, ADDRESS.format("", 0)),
    ],
)
def test_a_usb_device_is_told_in_fewer_words_or_others(
    becomes: dict[str, str], source: str
) -> None:
    """A PCI device has its bus in the same place."""
    device = USB.format(MODEL + PLACE.format(4))
    tree = xmltree.parse(f"<domain><devices>{device}</devices></domain>")
    at = (HOST_DEVICES.name, "key")
    edit((HOST_DEVICES,), tree, {at: PRESENT, (*at, UNION): becomes})
    [found] = xmltree.find_all(tree, "devices/hostdev/source")
    wanted = xmltree.parse(f"<source>{source}</source>")
    assert {one.tag: one.attrib for one in found} == {one.tag: one.attrib for one in wanted}


@pytest.mark.parametrize(
    ("one", "other", "clash"),
    [
        ("046d:0825", "046d:0825@1/4", True),
        ("1/4", "046d:0825@1/4", True),
        ("046d:0825@1/3", "046d:0825@1/4", False),
        ("046d:0825", "046d:0826@1/4", False),
        ("1/4", "046d:0825", False),
    ],
)
def test_two_usb_devices_that_libvirt_cannot_tell_apart(one: str, other: str, clash: bool) -> None:
    values: dict[Key, Any] = {}
    for name, usb in (("a", one), ("b", other)):
        values.update({(HOST_DEVICES.name, name): PRESENT})
        values[(HOST_DEVICES.name, name, UNION)] = {"usb": usb}
    mistakes = Mistakes("vm/web")
    host_devices.check(values, values, mistakes)
    assert [error.field for error in mistakes.errors] == ["host_devices.b.usb"] * clash
