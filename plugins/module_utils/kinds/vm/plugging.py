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
from .lease_rows import LEASES
from .nic_rows import NICS
from .port_rows import CONSOLES, SERIALS
from .shared_folder_rows import SHARED_FOLDERS, is_virtiofs, shares_memory
from .table import CHANNELS, DISKS

# Lists of devices that can be plugged; a CD-ROM drive never is.
PLUGGABLE: dict[str, Items] = {
    row.name: row for row in (DISKS, NICS, CHANNELS, *device_rows.LISTS, LEASES, SERIALS, CONSOLES)
}
# Those that are on PCI or USB, and need nothing else to be plugged.
SMALLER = {row.name for row in device_rows.LISTS}
# Why one waits that is plugged in as a thing of its own.
NAMESAKE = "another of its name runs until then"
_NO_PLUG = "what runs can have none plugged in or out"
_FULL = {
    Needs.PORT: "no PCI port is free in what runs",
    Needs.SLOT: "no PCI slot is free in what runs",
    Needs.USB: "no USB port is free in what runs",
    Needs.CHANNEL: "no port of virtio-serial is free in what runs",
}
_LAYERS = ("disk", "backingStore")  # the elements that name an image of a disk's chain
# The models that are plugged into a port; others are of the older PCI, and need a bridge to it
# (qemuDomainDeviceCalculatePCIConnectFlags).
FOR_PORTS = ("virtio", "virtio-non-transitional", "e1000e", "igb", "vmxnet3")


def obstacles(
    live: Element, definition: Element, devices: Mapping[Key, Value], paused: bool
) -> dict[Key, str]:
    """Why devices that are to be there or not wait for the next start; nothing for who does not.

    What leaves makes room for what comes: targets, boot orders, PCI ports.
    """
    leave = {
        key: _why_it_stays(key, device, live, paused)
        for key, value in devices.items()
        if value is ABSENT and (device := _device(key, live)) is not None
    }
    leaves = [key for key, why in leave.items() if not why]
    stays = _without(leaves, live) if leaves else live
    comes = {
        key: device
        for key, value in devices.items()
        if value is PRESENT and (device := _device(key, definition)) is not None
    }
    come = {
        key: NAMESAKE if _device(key, live) is not None else _why_it_waits(key, device, stays)
        for key, device in comes.items()
    }
    needs = {
        key: need
        for key, why in come.items()
        if not why and (need := needs_of(key, comes[key])) is not None
    }
    placed = places(stays, needs)
    full = {key: _FULL[need] for key, need in needs.items() if key not in placed}
    return {**leave, **come, **full}


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
    if key[0] == LEASES.name:
        return True
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


def _why_it_stays(key: Key, device: Element, live: Element, paused: bool) -> str:
    """Why a device stays in what runs; a guest has to let it go, and a paused one cannot."""
    if paused and key[0] != LEASES.name:  # of which no guest knows
        return "a guest that is paused lets nothing go"
    return "" if _fits(key, device, live) else _NO_PLUG


def _why_it_waits(key: Key, device: Element, stays: Element) -> str:
    """Why a device cannot be plugged in beside those that stay, were there a port for it."""
    if not _fits(key, device, stays):
        return _NO_PLUG
    why = _why_it_is_not_free(device, stays)
    if why or key[0] != DISKS.name:
        return why
    return _why_not_on_scsi(device, stays) or _why_it_is_open(device, stays)


def _why_not_on_scsi(disk: Element, stays: Element) -> str:
    """Whether a disk on SCSI finds its controller, and nothing there in its place."""
    drive = drive_of(disk)
    if drive.bus != "scsi" or drive.unit is None:
        return ""
    controller = f"devices/controller[@type='scsi'][@model='virtio-scsi'][@index='{drive.unit[0]}']"
    if stays.find(controller) is None:
        return f"what runs has no controller virtio-scsi of the index {drive.unit[0]}"
    others = [drive_of(one) for one in stays.findall("devices/disk/target[@bus='scsi']/..")]
    hostdevs = stays.findall("devices/hostdev/address[@type='drive']")
    taken = [one.unit for one in others] + [unit_at(one) for one in hostdevs]
    return "another that runs has its place on the bus" if drive.unit in taken else ""


def _why_it_is_not_free(device: Element, stays: Element) -> str:
    """Whether one that runs has its target, MAC or boot order, or boots by kind of device."""
    order = xmltree.get(device, "boot/@order")
    if order is not None and stays.find("os/boot") is not None:
        return "what runs boots by kinds of devices, and this one has a boot order"
    if order is not None and stays.find(f"devices/*/boot[@order='{order}']") is not None:
        return f"another that runs has the boot order {order}"
    for at, others in (("target/@dev", "disk/target"), ("mac/@address", "interface/mac")):
        own, taken = xmltree.get(device, at), stays.findall(f"devices/{others}")
        if own in {one.get(at.rpartition("@")[2]) for one in taken} - {None}:
            return f"another that runs has {own}"
    return ""


def _why_it_is_open(disk: Element, stays: Element) -> str:
    """Whether a disk that runs under another target has the image, which no two may write."""
    if disk.find("shareable") is not None or disk.find("readonly") is not None:
        return ""
    mine = images_of(disk)
    has = (one for one in stays.findall("devices/disk") if mine & images_of(one))
    targets = [xmltree.get(one, "target/@dev") for one in has]
    return f"{targets[0]}, which runs, has its image open" if targets else ""


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
