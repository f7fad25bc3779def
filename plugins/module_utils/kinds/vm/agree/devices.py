# SPDX-License-Identifier: GPL-3.0-or-later
"""Sound, panic and the smaller devices of a list: what is of one model or source goes with it."""

from __future__ import annotations

from collections.abc import Iterator

from ....engine import xmltree
from ....engine.accounting import Consequence
from ....engine.fields import Items, items_of
from ....engine.xmltree import Element
from ..device_rows import INPUTS, RNGS
from ..host_device_rows import HOST_DEVICES, MDEV, PCI, USB
from ..shared_folder_rows import SHARED_FOLDERS
from .base import Changed, drop, prune, touched
from .brought import IOAPIC, is_brought, note

_OF_MODEL = "goes with the former model"
_PARTS = ("codec", "audio", "address")
# What only one type of device of the host has.
_OF_TYPES = {
    PCI: ("driver", "rom", "teaming", "source/@writeFiltering"),
    USB: ("source/@startupPolicy", "source/@guestReset"),
    MDEV: ("@model", "@display", "@ramfb"),
}
# What only one of the drivers of a shared folder has.
_OF_DRIVER = (
    *("driver/@queue", "driver/@wrpolicy", "driver/@format", "binary", "idmap", "source/@socket"),
    *("@fmode", "@dmode", "@multidevs"),
)
_UNSAID_OF_IOMMU = tuple(
    f"devices/iommu/driver/@{name}" for name in ("dma_translation", "xtsup", "pt", "granule")
)
_TOO = "goes too: none means none of several"

CONSEQUENCES = (
    *(
        consequence
        for tag in ("sound", "panic")
        for consequence in (
            Consequence(
                f"{tag}_details",
                tuple(f"devices/{tag}[1]/{part}" for part in _PARTS),
                (tag,),
                _OF_MODEL,
            ),
            Consequence(
                f"other_{tag}_devices", (f"devices/{tag}[+]",), (tag,), _TOO, is_thing=True
            ),
        )
    ),
    Consequence("iommu_details", _UNSAID_OF_IOMMU, ("iommu.model",), "goes with the former IOMMU"),
    Consequence(
        "iommu.rest",
        ("devices/iommu/driver", "devices/iommu/address"),
        ("iommu.model",),
        "",
        silent=True,
    ),
    Consequence("rate.rest", ("rate",), ("rate.bytes",), "", RNGS.name, silent=True),
    Consequence("address", ("address",), ("bus",), "", INPUTS.name, silent=True),
    Consequence(
        "details",
        ("driver", "teaming", "source/@writeFiltering", "source/@guestReset"),
        ("source",),
        "goes with the former type of device",
        HOST_DEVICES.name,
    ),
    Consequence(
        "rest",
        ("address", "rom", *_OF_TYPES[MDEV]),
        ("source",),
        "",
        HOST_DEVICES.name,
        silent=True,
    ),
    Consequence(
        "details", _OF_DRIVER, ("driver",), "goes with the former driver", SHARED_FOLDERS.name
    ),
)


def agree(domain: Element, changed: Changed) -> None:
    """Make the rest of each device go with what changed of it."""
    if touched(changed, "iommu.model"):
        drop(domain, "devices/iommu/driver", "devices/iommu/address")
    for tag in ("sound", "panic"):
        if touched(changed, tag):
            drop(domain, *(f"devices/{tag}[1]/{part}" for part in _PARTS))
    for rng in _changed(RNGS, domain, changed, "rate", "bytes"):
        if xmltree.get(rng, "rate/@bytes") is None:
            drop(rng, "rate")
    for device in _changed(INPUTS, domain, changed, "bus"):  # each bus has its own
        drop(device, "address")
    for device in _changed(SHARED_FOLDERS, domain, changed, "driver"):
        drop(device, *_OF_DRIVER)
        prune(device, "driver")
    for device in _changed(HOST_DEVICES, domain, changed, "source"):
        _agree_type(device)


def agree_ioapic(domain: Element, changed: Changed, is_said: bool) -> None:
    """An IOMMU that remaps interrupts brings the IOAPIC that it needs, which then goes with it."""
    if not touched(changed, "iommu", "features.ioapic"):
        return
    remaps = xmltree.get(domain, "devices/iommu/driver/@intremap") == "on"
    if remaps or is_said:
        if touched(changed, "features.ioapic"):
            note(domain, IOAPIC, brought=not is_said)
    elif is_brought(domain, IOAPIC):
        note(domain, IOAPIC, brought=False)
        xmltree.put(domain, "features/ioapic/@driver", None)


def _agree_type(device: Element) -> None:
    """What only another type of device has goes with that: libvirt would refuse it, or lose it."""
    kind = device.get("type", "")
    for other, paths in _OF_TYPES.items():
        if kind != other:
            drop(device, *paths)
    address = xmltree.get(device, "address/@type")
    if address is not None and address != ("usb" if kind == USB else "pci"):
        drop(device, "address")


def _changed(row: Items, domain: Element, changed: Changed, *option: str) -> Iterator[Element]:
    """The devices of a list of which an option changes."""
    for name, device in items_of(row, domain).items():
        if (row.name, name, *option) in changed:
            yield device
