# SPDX-License-Identifier: GPL-3.0-or-later
"""A vswitch as a module tells of it: its options as one could declare them, and what is beside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ...engine import told
from ...engine.fields import items_of
from ...engine.keys import Values
from ...engine.xmltree import Element
from .routes import PARTS, ROUTES
from .switch.seen import FACTS, of_facts
from .table import DNS_HOSTS, FAMILIES, MTU, ROWS, SWITCHED, TYPE, listed
from .tree import more_in, values_of

# What libvirt writes by itself into every definition, and what is told under another name.
KNOWN: told.Known = {
    "@connections": (),
    "name": (),
    "uuid": (),
    "metadata/fleet:resource": (),
    "mac": (),
    "forward/nat/port@start": ("1024",),
    "forward/nat/port@end": ("65535",),
    "forward/interface@connections": (),
    "forward/pf@connections": (),
    "forward/address@connections": (),
    "forward/@managed": ("yes",),
}


def options(network: Element) -> dict[str, Any]:
    """The options that a user would write."""
    values = told.sayable(ROWS, values_of(network))
    for family in FAMILIES:
        below: Values = {k[1:]: v for k, v in values.items() if k[:1] == (family.dhcp,)}
        said = told.sayable(family.rows, below)
        values = {k: v for k, v in values.items() if k[:1] != (family.dhcp,) or k[1:] in said}
    if values.get(TYPE) in SWITCHED:
        values.pop(MTU, None)  # which is the switch's, and told where that is seen
    return listed(values)


def beside(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What is known of it beside its definition, but for the switch that it is on."""
    return {name: fact for name, fact in facts.items() if name not in FACTS}


def of_switch(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The options of the switch that it is on; nothing where nobody sees one."""
    switch = of_facts(facts)
    if switch is None:
        return {}
    uplinks = {name: value for name, value in facts["uplinks"].items() if value}
    kept = {"backend": switch.backend} if switch.backend else {}
    ports = {"host_ports": facts["host_ports"]} if switch.host_ports else {}
    tunnels = {"overlay": switch.overlay.said} if switch.overlay else {}
    has = {**({"uplinks": uplinks} if switch.nics else {}), **kept, **tunnels}
    return {**has, "mtu": switch.mtu, **ports}


def unmanaged(network: Element) -> list[str]:
    """The paths of what a definition says and no option does."""
    elements = [(family.rows, family.element(network)) for family in FAMILIES]
    parts = [(rows, element) for rows, element in elements if element is not None]
    return told.unmanaged(ROWS, network, KNOWN, parts, set(_by_hand(network)))


def _by_hand(network: Element) -> Iterator[tuple[int, str | None]]:
    """What options tell that are no rows: the addresses, and the names of DNS hosts."""
    for family in FAMILIES:
        ip = family.element(network)
        if ip is not None:
            yield from ((id(ip), name) for name in PARTS)
    for ip in more_in(network).values():
        yield from ((id(ip), name) for name in PARTS)
    for route in items_of(ROUTES, network).values():
        yield from ((id(route), name) for name in PARTS)
    for host in items_of(DNS_HOSTS, network).values():
        yield from ((id(name), None) for name in host.findall("hostname"))
