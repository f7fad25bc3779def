# SPDX-License-Identifier: GPL-3.0-or-later
"""Which devices are plugged into a VM that runs, or out of it, in one pass over all of a plan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ...engine import xmltree
from ...engine.codecs import Value
from ...engine.fields import Items, items_of
from ...engine.keys import ABSENT, PRESENT, Key
from ...engine.xmltree import Element
from . import device_rows
from .allotting import Needs, drive_of, places, unit_at
from .nic_rows import NICS
from .port_rows import CONSOLES, SERIALS
from .shared_folder_rows import SHARED_FOLDERS, is_virtiofs, shares_memory
from .table import CHANNELS, DISKS

# Lists of devices that can be plugged; a CD-ROM drive never is.
PLUGGABLE: dict[str, Items] = {
    row.name: row for row in (DISKS, NICS, CHANNELS, *device_rows.LISTS, SERIALS, CONSOLES)
}
# Those that are on PCI or USB, and need nothing else to be plugged.
SMALLER = {row.name for row in device_rows.LISTS}
_LAYERS = ("disk", "backingStore")  # the elements that name an image of a disk's chain
# The models that are plugged into a port; others are of the older PCI, and need a bridge to it
# (qemuDomainDeviceCalculatePCIConnectFlags).
FOR_PORTS = ("virtio", "virtio-non-transitional", "e1000e", "igb", "vmxnet3")


def plugged(
    live: Element, definition: Element, devices: Mapping[Key, Value], paused: bool
) -> frozenset[Key]:
    """Of devices that are to be there or not, those that come to what runs, or leave it, at once.

    What leaves makes room for what comes: targets, boot orders, PCI ports.
    """
    leaves = {
        key: device
        for key in (key for key, value in devices.items() if value is ABSENT)
        # A guest has to let a device go, and a paused one cannot.
        if (device := _device(key, live)) is not None and not paused and _fits(key, device, live)
    }
    stays = _without(leaves, live) if leaves else live
    comes = {
        key: device
        for key in (key for key, value in devices.items() if value is PRESENT)
        if (device := _device(key, definition)) is not None
        and _device(key, live) is None
        and _can_come(key, device, stays)
    }
    needs = {key: need for key in comes if (need := needs_of(key, comes[key])) is not None}
    placed = places(stays, needs)
    return frozenset([*leaves, *(key for key in comes if key not in needs or key in placed)])


def _device(key: Key, tree: Element) -> Element | None:
    row = PLUGGABLE.get(key[0])
    return None if row is None else items_of(row, tree).get(key[1])


def _without(leaves: Iterable[Key], live: Element) -> Element:
    stays = xmltree.clone(live)
    for key in leaves:
        xmltree.remove(stays, items_of(PLUGGABLE[key[0]], stays)[key[1]])
    return stays


def _fits(key: Key, device: Element, live: Element) -> bool:
    """Whether what runs can have such a device plugged, in or out."""
    if key[0] == SHARED_FOLDERS.name and not (is_virtiofs(device) and shares_memory(live)):
        return False  # 9p is on the command line of QEMU only
    if key[0] == SERIALS.name:
        return _is_serial_on_usb(device) or (_is_serial_on_pci(device) and not needs_acpi(live))
    if key[0] in SMALLER:
        return _is_on_usb(device) or not (needs_acpi(live) or _is_for_start(device))
    is_disk, bus = key[0] == DISKS.name, xmltree.get(device, "target/@bus")
    on_pci = key[0] == NICS.name or (is_disk and bus == "virtio")
    if on_pci and needs_acpi(live):
        return False
    if is_disk:
        return bus in ("virtio", "scsi", "usb")
    return on_pci or live.find("devices/controller[@type='virtio-serial']") is not None


def _is_on_usb(device: Element) -> bool:
    """Whether a smaller device, or one of the host, is on USB; else it is on PCI."""
    return "usb" in (device.get("bus"), device.get("type"))


def _is_serial_on_usb(port: Element) -> bool:
    return xmltree.get(port, "target/@type") == "usb-serial"


def _is_serial_on_pci(port: Element) -> bool:
    return xmltree.get(port, "target/@type") == "pci-serial"


def _is_for_start(device: Element) -> bool:
    """Whether QEMU has it from its start only: a mediated device of s390, or with a picture of its
    own for the firmware (vfio-pci-nohotplug)."""
    return device.get("ramfb") == "on" or device.get("model") == "vfio-ap"


def _can_come(key: Key, device: Element, stays: Element) -> bool:
    """Whether a device can be plugged in beside those that stay, if there is a place for it."""
    if not (_fits(key, device, stays) and _is_free(device, stays)):
        return False
    if key[0] != DISKS.name:
        return True
    return _has_unit(device, stays) and not _is_open(device, stays)


def _has_unit(disk: Element, stays: Element) -> bool:
    """Whether a disk on SCSI finds its controller, and nothing there in its place."""
    drive = drive_of(disk)
    if drive.bus != "scsi" or drive.unit is None:
        return True
    controller = f"devices/controller[@type='scsi'][@model='virtio-scsi'][@index='{drive.unit[0]}']"
    others = [drive_of(one) for one in stays.findall("devices/disk/target[@bus='scsi']/..")]
    hostdevs = stays.findall("devices/hostdev/address[@type='drive']")
    taken = [one.unit for one in others] + [unit_at(one) for one in hostdevs]
    return stays.find(controller) is not None and drive.unit not in taken


def _is_free(device: Element, stays: Element) -> bool:
    """Whether nothing that runs has its target, MAC or boot order, nor boots by kind of device."""
    order = xmltree.get(device, "boot/@order")
    orders = {boot.get("order") for boot in stays.findall("devices/*/boot")}
    boots = order is None or (order not in orders and stays.find("os/boot") is None)
    own = {xmltree.get(device, "target/@dev"), xmltree.get(device, "mac/@address")} - {None}
    targets = {target.get("dev") for target in stays.findall("devices/disk/target")}
    macs = {mac.get("address") for mac in stays.findall("devices/interface/mac")}
    return boots and own.isdisjoint(targets | macs)


def _is_open(disk: Element, stays: Element) -> bool:
    """Whether a disk that runs under another target has the image, which no two may write."""
    if disk.find("shareable") is not None or disk.find("readonly") is not None:
        return False
    mine = images_of(disk)
    return any(mine & images_of(one) for one in stays.findall("devices/disk"))


def needs_of(key: Key, device: Element) -> Needs | None:
    """What a device takes up on PCI, USB or virtio-serial, if it does."""
    if key[0] in (CHANNELS.name, CONSOLES.name):
        return Needs.CHANNEL
    if key[0] == SERIALS.name:  # one of which no target is said is on the board
        if _is_serial_on_usb(device):
            return Needs.USB
        return Needs.SLOT if _is_serial_on_pci(device) else None
    if key[0] in SMALLER:
        return Needs.USB if _is_on_usb(device) else Needs.PORT
    if key[0] == NICS.name:
        return Needs.PORT if xmltree.get(device, "model/@type") in FOR_PORTS else Needs.SLOT
    on_pci = key[0] == DISKS.name and xmltree.get(device, "target/@bus") == "virtio"
    return Needs.PORT if on_pci else None


def images_of(disk: Element) -> set[tuple[str, str]]:
    """The sources of a disk: its image, and those below it that libvirt tells of what runs."""
    sources = (source for part in disk.iter() if part.tag in _LAYERS for source in part)
    return {
        (name, f"{source.get('pool', '')}:{source.get(name)}")
        for source in sources
        if source.tag == "source"
        for name in ("file", "dev", "volume", "name")
        if source.get(name)
    }


def needs_acpi(live: Element) -> bool:
    """Whether nothing can be plugged into its PCI: a machine `pc` does that by ACPI only."""
    is_pc = (xmltree.get(live, "os/type/@machine") or "").startswith(("pc-i440fx", "pc-0", "pc-1"))
    return is_pc and live.find("features/acpi") is None
