# SPDX-License-Identifier: GPL-3.0-or-later
"""Places and targets that are not given away: those of devices that run and are not stored.

A guest may keep a device that was taken from its definition, and others plug one into what runs
alone. libvirt allots by the definition, and what comes next would be stored where that device is,
and plugged in elsewhere, or not at all.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence

from ...engine import xmltree
from ...engine.codecs import Value
from ...engine.fields import items_of
from ...engine.keys import ABSENT, Key
from ...engine.xmltree import Element
from .allotting import Drive, Needs, Place, drive_of, places, targets
from .plugging import PLUGGABLE, needs_of
from .table import DISKS

_ADDRESSES = "devices/*/address"
_CONTROLLERS = "devices/controller"
# What an address of each need is of; others are libvirt's to give.
_TYPES = {Needs.PORT: "pci", Needs.SLOT: "pci", Needs.USB: "usb"}


def keep_targets(after: Element, live: Element, comes: Sequence[Key], goes: Container[Key]) -> None:
    """Give disks that come targets that nothing has which runs, or is stored.

    One that runs already, and comes back, has the target that it runs with. What leaves with this
    plan makes room.
    """
    run, stored = _disks(live), _disks(after)
    come = {key: disk for key, disk in stored.items() if key in comes and _is_to_be_put(disk)}
    leave = [disk for key, disk in run.items() if key in goes or key in come]
    stay = [disk for disk in _drives(live) if disk not in leave]
    stay += [disk for disk in _drives(after) if disk not in come.values()]
    asked = {key: _as_it_is_called(disk, run.get(key)) for key, disk in come.items()}
    for key, target in targets(map(drive_of, stay), asked).items():
        xmltree.put(come[key], "target/@dev", target)


def _disks(tree: Element) -> dict[Key, Element]:
    return {(DISKS.name, name): disk for name, disk in items_of(DISKS, tree).items()}


def _drives(tree: Element) -> list[Element]:
    return xmltree.find_all(tree, "devices/disk")


def _is_to_be_put(disk: Element) -> bool:
    """Whether libvirt is yet to say where it is: by its target, on most buses."""
    return disk.find("address") is None


def _as_it_is_called(disk: Element, runs: Element | None) -> Drive:
    """What a disk that comes takes up: under the target that it runs with, if it does."""
    bus, now = drive_of(disk).bus, None if runs is None else drive_of(runs)
    return Drive(bus) if now is None or now.bus != bus else Drive(bus).at(now.target)


def keep(
    after: Element,
    before: Element,
    live: Element,
    want: Mapping[Key, Value],
    comes: Sequence[Key],
) -> None:
    """Give what comes a target and a place that are free in what is stored and in what runs."""
    keep_targets(after, live, comes, [key for key, value in want.items() if value is ABSENT])
    _keep_places(after, before, live, comes)


def _keep_places(after: Element, before: Element, live: Element, comes: Sequence[Key]) -> None:
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
