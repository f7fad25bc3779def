# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of serial ports and consoles beside the first: those of lists.

A part of the table, see table.py. One of ours is known by its alias, one that others made by what
it is and its number, `isa-1`. The first serial port of others is that of the option `serial`.
"""

from __future__ import annotations

from ...engine import xmltree
from ...engine.codecs import choice, text
from ...engine.fields import Field, Items
from ...engine.xmltree import Element
from .device_names import DEVICE_NAME, new_device, own_name
from .live import Applier

SERIAL_ALIAS, CONSOLE_ALIAS = "ua-serial-", "ua-console-"
# The serial port of an option of its own: the first that is not one of `serials`.
SERIAL = f"devices/serial[~{SERIAL_ALIAS}]"
PTY, FILE, UNIX = "pty", "file", "unix"
TYPES = (PTY, FILE, UNIX)
ISA = "isa-serial"
TARGETS = (ISA, "pci-serial", "usb-serial")
VIRTIO = "virtio"


def _serial_name(port: Element) -> str:
    kind = (xmltree.get(port, "target/@type") or ISA).partition("-serial")[0]
    number = xmltree.get(port, "target/@port") or "0"
    return own_name(port, SERIAL_ALIAS) or f"{kind}-{number}"


def is_of_serial(console: Element) -> bool:
    """Whether a console is libvirt's other word for the first serial port."""
    return xmltree.get(console, "target/@type") in (None, "serial")


def _console_name(console: Element) -> str | None:
    if is_of_serial(console):
        return None
    # Its number is libvirt's, by its place among all: it is another when the first one goes.
    return own_name(console, CONSOLE_ALIAS) or xmltree.get(console, "target/@type")


_PORT = (
    Field("type", "@type", choice(*TYPES)),
    Field("path", "source/@path", text()),
)

SERIALS = Items(
    "serials",
    f"devices/serial[+{SERIAL_ALIAS}]",
    (*_PORT, Field("target", "target/@type", choice(*TARGETS))),
    _serial_name,
    new_device("<serial/>", SERIAL_ALIAS),
    ("name", DEVICE_NAME),
    Applier.DEVICE,
)
CONSOLES = Items(
    "consoles",
    "devices/console",
    _PORT,
    _console_name,
    new_device(f'<console><target type="{VIRTIO}"/></console>', CONSOLE_ALIAS),
    ("name", DEVICE_NAME),
    Applier.DEVICE,
)
