# SPDX-License-Identifier: GPL-3.0-or-later
"""Places on PCI and USB that are not given away: those of devices that run and are stored no more.

A guest may keep a device that was taken from its definition. libvirt allots by the definition, and
what comes next would be stored where that device is, and plugged in elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...engine import xmltree
from ...engine.fields import items_of
from ...engine.keys import Key
from ...engine.xmltree import Element
from .allotting import Needs, Place, places
from .plugging import PLUGGABLE, needs_of

_ADDRESSES = "devices/*/address"
_CONTROLLERS = "devices/controller"
# What an address of each need is of; others are libvirt's to give.
_TYPES = {Needs.PORT: "pci", Needs.SLOT: "pci", Needs.USB: "usb"}


def keep(after: Element, before: Element, live: Element, comes: Sequence[Key]) -> None:
    """Give what comes a place that is free in both, where something runs that is stored no more.

    What runs already, and comes back, is stored where it is. What leaves with this plan makes room
    as ever. Where there is no place libvirt allots one, and may add a port.
    """
    stored = [one.attrib for one in before.findall(_ADDRESSES)]
    if all(one.attrib in stored for one in live.findall(_ADDRESSES) if _is_placed(one)):
        return
    come = {
        key: device
        for key in comes
        if (device := _device(key, after)) is not None and device.find("address") is None
    }
    both = _both(after, live)
    for key, device in come.items():
        address = _as_it_runs(key, device, live, both)
        if address is not None:
            device.append(xmltree.clone(address))
    needs = {
        key: need
        for key, device in come.items()
        if device.find("address") is None and (need := needs_of(key, device)) in _TYPES
    }
    for key, place in places(_both(after, live), needs).items():
        come[key].append(_address(place, needs[key]))


def _device(key: Key, tree: Element) -> Element | None:
    row = PLUGGABLE.get(key[0])
    return None if row is None else items_of(row, tree).get(key[1])


def _as_it_runs(key: Key, device: Element, live: Element, both: Element) -> Element | None:
    """Where a device is that runs already, if it is of the same kind and such a place is stored."""
    runs = _device(key, live)
    need = needs_of(key, device)
    if runs is None or need not in _TYPES or needs_of(key, runs) is not need:
        return None
    address = runs.find("address")
    if address is None or address.get("type") != _TYPES[need]:
        return None
    controllers = both.findall(f"{_CONTROLLERS}[@type='{_TYPES[need]}']")
    buses = [int(controller.get("index", "0")) for controller in controllers]
    taken = any(one.attrib == address.attrib for one in both.findall("devices/taken/address"))
    return None if taken or int(address.get("bus", "0"), 0) not in buses else address


def _both(after: Element, live: Element) -> Element:
    """What runs, on controllers that are stored too; taken is what is taken in either."""
    both, stored = xmltree.clone(live), [_named(one) for one in after.findall(_CONTROLLERS)]
    devices = xmltree.ensure(both, "devices")
    for controller in devices.findall("controller"):
        if _named(controller) not in stored:
            devices.remove(controller)
    for address in after.findall(_ADDRESSES):
        devices.append(xmltree.Element("taken"))
        devices[-1].append(xmltree.clone(address))
    return both


def _named(controller: Element) -> tuple[str | None, ...]:
    return controller.get("type"), controller.get("index", "0"), controller.get("model")


def _is_placed(address: Element) -> bool:
    return address.get("type") in _TYPES.values()


def _address(place: Place, need: Needs) -> Element:
    bus, slot = place
    if need is Needs.USB:
        return xmltree.Element("address", {"type": "usb", "bus": str(bus), "port": str(slot)})
    at = {"bus": f"0x{bus:02x}", "slot": f"0x{slot:02x}", "function": "0x0"}
    return xmltree.Element("address", {"type": "pci", "domain": "0x0000", **at})
