# SPDX-License-Identifier: GPL-3.0-or-later
"""What hangs on what in a network: the edits that go along with an option, as plans show them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ...engine.accounting import Books, Claims, Consequence, Part
from ...engine.changes import Change
from ...engine.tree_diff import WHOLE
from ...engine.xmltree import Element
from .table import FAMILIES, MORE_ADDRESSES, ROWS
from .tree import more_in

OF_TYPE = "goes with the former type"

CONSEQUENCES = (
    Consequence("nat", ("forward/nat",), ("type",), OF_TYPE),
    Consequence(
        "uplinks",
        ("forward/@dev", "forward/interface", "forward/address", "forward/pf"),
        ("type",),
        OF_TYPE,
    ),
    Consequence("domain_local_only", ("domain/@localOnly",), ("domain",), "goes with the domain"),
    Consequence(
        "address_details",
        ("ip/tftp", "ip/dhcp/bootp", "ip/@localPtr"),
        tuple(family.address for family in FAMILIES),
        "goes with the address",
    ),
    *(
        Consequence(
            f"bandwidth.{way}.floor",
            (f"bandwidth/{way}/@floor",),
            (f"bandwidth.{way}.average",),
            "goes with the average",
            above="port_groups",
        )
        for way in ("inbound", "outbound")
    ),
)


def parts(network: Element) -> list[Part]:
    """The table over the network, and each family's over its own element."""
    families = [Part(f.rows, f.element(network), (f.dhcp,)) for f in FAMILIES]
    return [Part(ROWS, network), *families]


def _owned(change: Change, before: Element, after: Element, claims: Claims) -> None:
    """An address owns its element where that comes or goes; the names of a host are its own."""
    for family in FAMILIES:
        if change.field == family.key:
            _own_address([family.element(before), family.element(after)], claims)
    if change.field == MORE_ADDRESSES:
        for ip in _come_and_gone(more_in(before), more_in(after)):
            claims.add(ip, WHOLE)
    if change.is_of("dns.hosts"):
        for network in (before, after):
            for host in network.findall("dns/host"):
                if host.get("ip") == change.thing_in("dns.hosts"):
                    for name in host.findall("hostname"):
                        claims.add(name, WHOLE)


def _come_and_gone(was: Mapping[str, Element], will: Mapping[str, Element]) -> Iterator[Element]:
    for side, other in ((was, will), (will, was)):
        yield from (element for name, element in side.items() if name not in other)


def _own_address(sides: list[Element | None], claims: Claims) -> None:
    for element in sides:
        if element is not None and None in sides:
            claims.add(element, WHOLE)
        elif element is not None:
            for attribute in ("address", "prefix", "netmask"):
                claims.add(element, f"@{attribute}")


BOOKS = Books(parts, CONSEQUENCES, _owned)
