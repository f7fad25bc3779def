# SPDX-License-Identifier: GPL-3.0-or-later
"""Where what a guest writes to its serial port can be read. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from ..engine.errors import FleetError
from ..engine.xmltree import Element, get

PORTS = ("serial", "console")


@dataclass(frozen=True)
class Port:
    """A serial port or console: how libvirt calls it, its type, and the file it is written to."""

    alias: str
    type: str
    file: str
    appends: bool


def port_of(definition: Element, alias: str | None, resource: str) -> Port:
    """The port to look at, the first unless one is named. FleetError where it is not there.

    libvirt names them once they run, by their numbers unless somebody else has.
    """
    ports = [
        _port(element, f"{tag}{number}")
        for tag in PORTS
        for number, element in enumerate(definition.findall(f"devices/{tag}"))
    ]
    if not ports:
        raise FleetError(
            "has no serial port, so nothing is written there; declare serial.type: pty",
            resource,
            "serial",
        )
    for port in ports:
        if alias in (None, port.alias):
            return port
    there = ", ".join(dict.fromkeys(port.alias for port in ports))
    raise FleetError(
        f"has no serial port or console {alias!r}, but {there}",
        resource,
        "device",
    )


def _port(element: Element, alias: str) -> Port:
    """A log, or the file that the port itself is."""
    kind = element.get("type", "")
    log = element.find("log")
    kept = element.find("source") if log is None and kind == "file" else log
    path = "" if kept is None else kept.get("file") or kept.get("path") or ""
    appends = kept is not None and kept.get("append") == "on"
    return Port(get(element, "alias/@name") or alias, kind, path, appends)
