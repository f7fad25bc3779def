# SPDX-License-Identifier: GPL-3.0-or-later
"""Places on PCI and USB that are not given away: those of devices that run and are stored no more.

A guest may keep a device that was taken from its definition. libvirt allots by the definition, and
what comes next would be stored where that device is, and plugged in elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping

from ...engine import xmltree
from ...engine.codecs import Value
from ...engine.fields import items_of
from ...engine.keys import PRESENT, Key
from ...engine.xmltree import Element
from .allotting import Needs, Place, places
from .plugging import PLUGGABLE, needs_of

_ADDRESSES = "devices/*/address"
_CONTROLLERS = "devices/controller"


def keep(after: Element, before: Element, live: Element, want: Mapping[Key, Value]) -> None:
    """Give what comes a place that is free in both, where something runs that is stored no more.

    What runs already, and comes back, is stored where it is. What leaves with this plan makes room
    as ever. Where there is no place libvirt allots one, and may add a port.
    """
    stored = [one.attrib for one in before.findall(_ADDRESSES)]
    if all(one.attrib in stored for one in live.findall(_ADDRESSES) if _is_placed(one)):
        return
    come = {
        key: device
        for key in (key for key, value in want.items() if value is PRESENT)
        if (device := _device(key, after)) is not None and device.find("address") is None
    }
    taken = [one.attrib for one in after.findall(_ADDRESSES)]
    for key, device in come.items():
        runs = _device(key, live)
        address = None if runs is None else runs.find("address")
        if address is not None and _is_placed(address) and address.attrib not in taken:
            device.append(xmltree.clone(address))
    new = {key: device for key, device in come.items() if device.find("address") is None}
    needs = {key: need for key, device in new.items() if (need := needs_of(key, device))}
    for key, place in places(_both(after, live), needs).items():
        new[key].append(_address(place, needs[key]))


def _device(key: Key, tree: Element) -> Element | None:
    row = PLUGGABLE.get(key[0])
    return None if row is None else items_of(row, tree).get(key[1])


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


def _named(controller: Element) -> tuple[str | None, str | None]:
    return controller.get("type"), controller.get("index", "0")


def _is_placed(address: Element) -> bool:
    return address.get("type") in ("pci", "usb")


def _address(place: Place, needs: Needs) -> Element:
    bus, slot = place
    if needs is Needs.USB:
        return xmltree.Element("address", type="usb", bus=str(bus), port=str(slot))
    at = {
        "type": "pci",
        "domain": "0x0000",
        "bus": f"0x{bus:02x}",
        "slot": f"0x{slot:02x}",
        "function": "0x0",
    }
    return xmltree.Element("address", at)
