# SPDX-License-Identifier: GPL-3.0-or-later
"""Who gets which place: targets and units of disks, PCI ports and slots of what is plugged in.

Each is one pass over all devices that come, in their order, with what leaves gone before. It gives
places and touches nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from itertools import chain, product
from typing import TypeVar

from ...engine import xmltree
from ...engine.xmltree import Element

Thing = TypeVar("Thing", bound=Hashable)

# ---- targets of disks, from which libvirt derives their places on a bus

PREFIX_OF_BUS = {"virtio": "vd", "scsi": "sd", "sata": "sd", "usb": "sd", "ide": "hd"}
Unit = tuple[int, int, int]  # controller, bus, unit
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def _on_scsi(index: int) -> Unit:
    unit = index % 15
    return index // 15, 0, unit + (unit >= 7)  # 7 is the controller itself


# virDomainDiskDefAssignAddress: buses on which the place follows from the target's letters.
_UNIT_OF_INDEX: dict[str, Callable[[int], Unit]] = {
    "scsi": _on_scsi,
    "sata": lambda index: (index // 6, 0, index % 6),
    "ide": lambda index: (index // 4, index % 4 // 2, index % 2),
}


@dataclass(frozen=True)
class Drive:
    """What a disk takes up: a target, and a place on its bus."""

    bus: str
    target: str = ""
    unit: Unit | None = None

    @property
    def fits(self) -> bool:
        """Whether its target is one of its bus."""
        return bool(self.target) and self.target.startswith(PREFIX_OF_BUS.get(self.bus, "-"))

    def at(self, target: str) -> Drive:
        """The same one under another target."""
        return Drive(self.bus, target, _derived(self.bus, target))


def drive_of(disk: Element) -> Drive:
    """What a disk takes up; its place may be said, or is still to be derived."""
    bus, target = (xmltree.get(disk, f"target/@{at}") or "" for at in ("bus", "dev"))
    address = disk.find("address[@type='drive']")
    if address is None:
        return Drive(bus, target, _derived(bus, target))
    return Drive(bus, target, unit_at(address))


def unit_at(address: Element) -> Unit:
    """The place on its bus that the address of a drive says."""
    controller, on, unit = (int(address.get(at, "0")) for at in ("controller", "bus", "unit"))
    return controller, on, unit


def targets(stay: Iterable[Drive], come: Mapping[Thing, Drive]) -> dict[Thing, str]:
    """The target of each disk that comes, or comes to another bus.

    It keeps one that fits and is free, and gets the first free one of its bus else: what the ones
    before it had until now is free for it, what the ones after it have is not.
    """
    here, waiting = [*stay], dict(come)
    given: dict[Thing, str] = {}
    for thing, drive in come.items():
        del waiting[thing]
        if drive.bus not in PREFIX_OF_BUS:
            here.append(drive)
            continue
        taken = [*here, *waiting.values()]
        own = (drive.target,) if drive.fits else ()
        every = (drive.at(target) for target in chain(own, _targets(PREFIX_OF_BUS[drive.bus])))
        here.append(next(one for one in every if _is_free(one, taken)))
        given[thing] = here[-1].target
    return given


def _is_free(drive: Drive, taken: Iterable[Drive]) -> bool:
    """Whether no other has its target, nor its place on the bus."""
    return not any(
        other.target == drive.target
        or (drive.unit is not None and (other.bus, other.unit) == (drive.bus, drive.unit))
        for other in taken
    )


def _derived(bus: str, dev: str) -> Unit | None:
    letters = re.fullmatch(r"(?:fd|hd|vd|sd|xvd|ubd)([a-z]+)\d*", dev)
    if letters is None or bus not in _UNIT_OF_INDEX:
        return None
    index = 0
    for letter in letters[1]:
        index = index * 26 + _LETTERS.index(letter) + 1
    return _UNIT_OF_INDEX[bus](index - 1)


def _targets(prefix: str) -> Iterator[str]:
    for size in (1, 2):
        yield from (prefix + "".join(name) for name in product(_LETTERS, repeat=size))


# ---- PCI, USB and virtio-serial, of a VM that runs


class Needs(Enum):
    """What a device is plugged into."""

    PORT = auto()  # of PCI Express
    SLOT = auto()  # of the older PCI, on its root or on a bridge
    USB = auto()
    CHANNEL = auto()  # a port of virtio-serial


Place = tuple[int, int]  # bus and slot or port

# Slots of a pci-root that libvirt keeps: the root itself, PIIX3, a graphics card that may come.
_KEPT_SLOTS = 3
_SLOTS = 32


def places(live: Element, come: Mapping[Thing, Needs]) -> dict[Thing, Place]:
    """The place of each device that comes, on such a bus; who finds none is not in it."""
    ports, slots = _free(live)
    by_need = {
        Needs.PORT: ports,
        Needs.SLOT: slots,
        Needs.USB: _free_on_usb(live),
        Needs.CHANNEL: free_for_channels(live),
    }
    given: dict[Thing, Place] = {}
    for thing, needs in come.items():
        free = by_need[needs]
        if free:
            given[thing] = free.pop(0)
    return given


def _free(live: Element) -> tuple[list[Place], list[Place]]:
    """The free ports and the free slots; on a pci-root they are the same."""
    used = {
        (int(address.get("bus", "0"), 0), int(address.get("slot", "0"), 0))
        for address in live.findall("devices/*/address[@type='pci']")
    }
    controllers = live.findall("devices/controller[@type='pci']")
    slots = [
        (int(bridge.get("index", "0")), slot)
        for bridge in controllers
        if bridge.get("model") in ("pcie-to-pci-bridge", "pci-bridge")
        for slot in range(1, _SLOTS)
    ]
    if any(controller.get("model") == "pci-root" for controller in controllers):
        slots = [*((0, slot) for slot in range(_KEPT_SLOTS, _SLOTS)), *slots]
        both = [place for place in slots if place not in used]
        return both, both
    buses = {bus for bus, _slot in used}
    ports = [int(c.get("index", "0")) for c in controllers if c.get("model") == "pcie-root-port"]
    return (
        [(port, 0) for port in ports if port not in buses],
        [place for place in slots if place not in used],
    )


# The ports that libvirt counts on a controller (virDomainUSBAddressControllerModelToPorts).
_USB_PORTS = {"ich9-ehci1": 6, "ehci": 6, "nec-xhci": 4, "qemu-xhci": 4}


def _free_on_usb(live: Element) -> list[Place]:
    """The free ports of USB controllers. Hubs are left out: libvirt adds none to what runs."""
    used = {
        (int(address.get("bus", "0")), address.get("port", ""))
        for address in live.findall("devices/*/address[@type='usb']")
    }
    return [
        (int(controller.get("index", "0")), port)
        for controller in live.findall("devices/controller[@type='usb']")
        for port in range(1, _usb_ports(controller) + 1)
        if (int(controller.get("index", "0")), str(port)) not in used
    ]


def _usb_ports(controller: Element) -> int:
    """The ports of a controller; those of a companion are its master's."""
    if controller.find("master") is not None:
        return 0
    said = controller.get("ports")
    return int(said) if said else _USB_PORTS.get(controller.get("model", ""), 2)


_CHANNEL_PORTS = 31  # of a controller where nothing is said; the first is kept for a console


def free_for_channels(live: Element) -> list[Place]:
    """The free ports of virtio-serial controllers, the surest first.

    QEMU gives a console the lowest one that is free when it comes. libvirt does not know which, and
    gives it to a channel again. So with several consoles channels get ports from the end.
    """
    used = {
        (int(address.get("controller", "0")), int(address.get("port", "0")))
        for address in live.findall("devices/*/address[@type='virtio-serial']")
    }
    free = [
        (int(controller.get("index", "0")), port)
        for controller in live.findall("devices/controller[@type='virtio-serial']")
        for port in range(1, int(controller.get("ports", _CHANNEL_PORTS)))
        if (int(controller.get("index", "0")), port) not in used
    ]
    consoles = live.findall("devices/console/target[@type='virtio']/..")
    untold = sum(console.find("address") is None for console in consoles)
    return free if untold <= 1 else free[untold - 1 :][::-1]
