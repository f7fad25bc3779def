# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses that are kept for a VM by what is declared, whether it runs or not. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from ...engine import xmltree
from ...engine.fields import Items, items_of
from ...engine.plan import Have
from ...engine.xmltree import Element
from ..vswitch.table import FAMILIES, Family
from .cloud_init.note import note_of
from .nic_rows import NICS

DECLARED = "declared"  # as a source of addresses


class Reserved(NamedTuple):
    """An address that is kept for whoever has this MAC, or this host name."""

    of: str
    address: str
    prefix: int


def declared_of(
    have: Have, reserved: Mapping[str, Iterable[Reserved]]
) -> list[tuple[str, str, int]]:
    """The addresses that are declared for a VM: kept by the vswitches of its NICs, for the MAC or
    for its name, and those that its seed for cloud-init gives it."""
    found = [*_seeded(have)]
    for nic in have.definition.findall("devices/interface"):
        mac = xmltree.get(nic, "mac/@address") or ""
        network = xmltree.get(nic, "source/@network") or ""
        for one in reserved.get(network, ()):
            if one.of in (mac.lower(), have.name.lower()):
                found.append((mac, one.address, one.prefix))
    return found


def _seeded(have: Have) -> Iterator[tuple[str, str, int]]:
    note = note_of(have.definition)
    said = dict(note.said.get("nics", {})) if note is not None else {}
    for name, nic in items_of(NICS, have.definition).items() if said else ():
        given = said.get(name)
        for text in given.get("address", ()) if isinstance(given, Mapping) else ():
            try:
                address = ipaddress.ip_interface(text)
            except ValueError:  # it says dhcp
                continue
            mac = xmltree.get(nic, "mac/@address") or ""
            yield mac, str(address.ip), address.network.prefixlen


def reserved_in(network: Element) -> list[Reserved]:
    """The addresses that DHCP of a network keeps, each for one."""
    return [one for family in FAMILIES for one in _reserved(network, family)]


def _reserved(network: Element, family: Family) -> Iterable[Reserved]:
    ip = family.element(network)
    if ip is None:
        return
    prefix = _prefix_of(ip)
    for row in family.rows:
        if row.name == "hosts":
            yield from _reserved_by(row, ip, prefix)


def _reserved_by(row: Items, ip: Element, prefix: int) -> Iterable[Reserved]:
    for name, host in items_of(row, ip).items():
        address = host.get("ip")
        if address:
            yield Reserved(name.lower(), address, prefix)


def _prefix_of(ip: Element) -> int:
    """The length of the prefix, which libvirt also writes as a mask, or not at all."""
    said = ip.get("prefix") or ip.get("netmask")
    try:
        return ipaddress.ip_network(f"{ip.get('address')}/{said}", strict=False).prefixlen
    except ValueError:
        return 0
