# SPDX-License-Identifier: GPL-3.0-or-later
"""How many devices of a kind a VM's board has a place for: libvirt says that in words of its own
inside, or leaves it to QEMU at the start."""

from __future__ import annotations

from collections.abc import Iterator

from ...engine import xmltree
from ...engine.errors import FleetError
from ...engine.fields import items_of
from ...engine.xmltree import Element
from .port_rows import ISA, SERIALS
from .table import CDROMS, DISKS

SERIAL_PORTS = 4  # on ISA (virDomainChrIsaSerialDefPostParse)
PARALLEL_PORTS = 3  # QEMU's, of any kind (MAX_PARALLEL_PORTS)
IDE_UNITS = 4  # of the one controller that a machine pc has

# What libvirt says of a place that none is left of, at whichever device it comes to last.
NONE_LEFT = {
    "No free USB ports": (
        "no USB port is left: those of its controllers and hubs have devices, and libvirt adds a "
        "hub only where one is free; take a device out, or add a controller by extra_xml"
    ),
    "No more available PCI slots": "no PCI slot is left; take a device out",
    "Unable to find a free virtio-serial port": (
        "no port for a channel or a console is left; take one out"
    ),
}


def wrong(domain: Element) -> Iterator[FleetError]:
    """What there are too many of."""
    arch = xmltree.get(domain, "os/type/@arch") or ""
    if arch in ("x86_64", "i686"):
        yield from _serial_ports(domain)
        yield from _parallel_ports(domain)
    machine = xmltree.get(domain, "os/type/@machine") or ""
    if machine == "pc" or machine.startswith(("pc-i440fx", "pc-0", "pc-1")):
        yield from _ide_units(domain)


def in_our_words(said: str) -> str:
    """What libvirt says, or what that means to a user where it is of its own inside."""
    return next((ours for theirs, ours in NONE_LEFT.items() if theirs in said), said)


def _serial_ports(domain: Element) -> Iterator[FleetError]:
    ports = domain.findall("devices/serial")
    count = sum(xmltree.get(port, "target/@type") in (None, ISA) for port in ports)
    if count > SERIAL_PORTS:
        yield FleetError(
            f"the VM would have {count} serial ports on ISA, which has {SERIAL_PORTS}; write "
            "target: pci-serial or usb-serial for one, or take one out",
            field=SERIALS.name,
        )


def _parallel_ports(domain: Element) -> Iterator[FleetError]:
    count = len(domain.findall("devices/parallel"))
    if count > PARALLEL_PORTS:
        message = f"the VM would have {count} parallel ports, and QEMU has {PARALLEL_PORTS}"
        yield FleetError(f"{message}; take one out", field="extra_xml")


def _ide_units(domain: Element) -> Iterator[FleetError]:
    count = len(domain.findall("devices/disk/target[@bus='ide']"))
    if count > IDE_UNITS:
        yield FleetError(
            f"the VM would have {count} disks and drives on IDE, which has {IDE_UNITS} places on a "
            "machine pc; write bus: sata or scsi for one, or take one out",
            field=_last_on_ide(domain),
        )


def _last_on_ide(domain: Element) -> str:
    """The option of the one that is on it last, a drive before a disk."""
    named = [
        f"{row.name}.{name}.bus"
        for row in (DISKS, CDROMS)
        for name, disk in items_of(row, domain).items()
        if xmltree.get(disk, "target/@bus") == "ide"
    ]
    return named[-1] if named else "disks"
