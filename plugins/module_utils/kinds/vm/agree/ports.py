# SPDX-License-Identifier: GPL-3.0-or-later
"""Serial ports and consoles: what is of one type goes with that, and libvirt's other word for the
first serial port with that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ....engine import xmltree
from ....engine.accounting import Consequence
from ....engine.codecs import Value
from ....engine.fields import Items, items_of
from ....engine.keys import PRESENT, Key
from ....engine.xmltree import Element
from ..port_rows import CONSOLES, SERIAL, SERIALS, is_of_serial
from .base import Changed, drop, prune, touched

_ON_SERIAL = ("serial.type", "serial.path")
_OF_TYPE = "goes with the former type"
_SOURCE = ("mode", "host", "service", "tls", "append", "channel", "master", "slave")
_DETAILS = (
    "source[+]",
    "protocol",
    "source/reconnect",
    *(f"source/@{name}" for name in _SOURCE if name != "mode"),
)
_OF_TARGET = ("target/model", "address")
_LISTS = (SERIALS, CONSOLES)

CONSEQUENCES = (
    Consequence(
        "other_serial_ports",
        (f"{SERIAL}[+]",),
        ("serial.type",),
        "goes too: none means none of several",
        is_thing=True,
    ),
    Consequence(
        "serial.details", tuple(f"{SERIAL}/{part}" for part in _DETAILS), _ON_SERIAL, _OF_TYPE
    ),
    Consequence("serial.mode", (f"{SERIAL}/source/@mode",), _ON_SERIAL, "", silent=True),
    Consequence("serial.source", (f"{SERIAL}/source",), _ON_SERIAL, "", silent=True),
    # libvirt makes one for the first serial port, and says in it the same again.
    Consequence("console", ("devices/console",), (*_ON_SERIAL, SERIALS.name), "", silent=True),
    *(
        consequence
        for row in _LISTS
        for consequence in (
            Consequence("details", _DETAILS, ("type", "path"), _OF_TYPE, row.name),
            Consequence(
                "rest", ("source/@mode", "source"), ("type", "path"), "", row.name, silent=True
            ),
        )
    ),
    Consequence("place", _OF_TARGET, ("target",), "", SERIALS.name, silent=True),
)


def agree(domain: Element, before: Mapping[Key, Value], changed: Mapping[Key, Value]) -> None:
    """Make the rest of each port go with what changed of it."""
    comes_or_goes = (
        changed[key] is PRESENT or key in before
        for key in changed
        if len(key) == 2 and key[0] == SERIALS.name
    )
    options = any(len(key) > 2 and key[0] == SERIALS.name for key in changed)
    if touched(changed, *_ON_SERIAL) or options or any(comes_or_goes):
        _without_other_words(domain)
    if touched(changed, *_ON_SERIAL):
        _agree_serial(domain, touched(changed, "serial.type"))
    for row in _LISTS:
        for key, port in _touched_of(row, domain, changed):
            agree_port(port, is_another=(*key, "type") in changed)
            if (*key, "target") in changed:
                drop(port, *_OF_TARGET)


def _touched_of(
    row: Items, domain: Element, changed: Changed
) -> Iterator[tuple[tuple[str, str], Element]]:
    for name, port in items_of(row, domain).items():
        if any(at[:2] == (row.name, name) for at in changed):
            yield (row.name, name), port


def _without_other_words(domain: Element) -> None:
    """libvirt derives the console of the first serial port again."""
    devices = xmltree.ensure(domain, "devices")
    for console in devices.findall("console"):
        if is_of_serial(console):
            devices.remove(console)


def _agree_serial(domain: Element, is_another: bool) -> None:
    if domain.find("devices/serial") is None:
        drop(domain, "os/bios/@useserial")
        prune(xmltree.ensure(domain, "os"), "bios")
    serial = xmltree.find(domain, SERIAL)
    if serial is not None:
        agree_port(serial, is_another)


def agree_port(port: Element, is_another: bool) -> None:
    """Make what a port is connected to be of its type."""
    if is_another:
        drop(port, "protocol", "source/reconnect", *(f"source/@{name}" for name in _SOURCE))
        for source in port.findall("source")[1:]:
            port.remove(source)
    if port.get("type") == "unix" and port.find("source") is not None:
        xmltree.put(port, "source/@mode", xmltree.get(port, "source/@mode") or "bind")
    if port.get("type") == "pty":
        xmltree.put(port, "source!/@path", None)
    prune(port, "source")
