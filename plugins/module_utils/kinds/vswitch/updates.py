# SPDX-License-Identifier: GPL-3.0-or-later
"""How a network that runs is brought from one definition to another, update by update.

libvirt changes things of a few lists in place (virNetworkDefUpdateSection). A DHCP range and a DNS
host it only adds and deletes, and when it modifies a reservation it takes the first that has the
MAC, the address or the name, so two that swap addresses end up as twins. Hence all that goes or
differs is deleted before anything is added; only port groups are modified.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ...engine import fields, xmltree
from ...engine.fields import Items
from ...engine.xmltree import Element
from .table import DNS_HOSTS, FAMILIES, PORT_GROUPS

DELETE, MODIFY, ADD = "delete", "modify", "add"
RANGE, HOST, DNS_HOST, PORT_GROUP = "dhcp-range", "dhcp-host", "dns-host", "port-group"
ANYWHERE = -1  # a section that stands in no <ip>


@dataclass(frozen=True)
class Update:
    """One call: what to do with one element of a section, and in which `<ip>` of the network."""

    command: str
    section: str
    ip_index: int
    element: Element


def updates(before: Element, after: Element) -> list[Update]:
    """What libvirt has to be told, in the order in which it accepts it."""
    found = [*_of_list(DNS_HOST, DNS_HOSTS, before, after)]
    for family in FAMILIES:
        now, will = family.element(before), family.element(after)
        if now is not None and will is not None:
            index = before.findall("ip").index(now)
            for section, row in zip((RANGE, HOST), family.rows):
                found += _of_list(section, row, now, will, index)
    found += _of_port_groups(before, after)
    return sorted(found, key=lambda update: (DELETE, MODIFY, ADD).index(update.command))


def _of_list(
    section: str, row: Items, before: Element, after: Element, index: int = ANYWHERE
) -> Iterable[Update]:
    gone, new, changed = _differing(row, before, after)
    yield from (Update(DELETE, section, index, _found_by(section, one)) for one in gone)
    for old, now in changed:
        yield Update(DELETE, section, index, _found_by(section, old))
        yield Update(ADD, section, index, now)
    yield from (Update(ADD, section, index, one) for one in new)


def _found_by(section: str, element: Element) -> Element:
    """What libvirt is to delete: a DNS host by its address, since its names may be others' too."""
    if section != DNS_HOST:
        return element
    return Element(element.tag, {"ip": element.get("ip", "")})


def _of_port_groups(before: Element, after: Element) -> Iterable[Update]:
    gone, new, changed = _differing(PORT_GROUPS, before, after)
    yield from (Update(DELETE, PORT_GROUP, ANYWHERE, one) for one in gone)
    # libvirt refuses a second default, so the former one has to stop being it first.
    for _old, now in sorted(changed, key=lambda pair: _is_default(pair[1])):
        yield Update(MODIFY, PORT_GROUP, ANYWHERE, now)
    yield from (Update(ADD, PORT_GROUP, ANYWHERE, one) for one in new)


def _is_default(group: Element) -> bool:
    return group.get("default") == "yes"


def _differing(
    row: Items, before: Element, after: Element
) -> tuple[list[Element], list[Element], list[tuple[Element, Element]]]:
    """The elements of a list that go, those that come, and those that differ with how they were."""
    now, will = fields.items_of(row, before), fields.items_of(row, after)
    return (
        [element for name, element in now.items() if name not in will],
        [element for name, element in will.items() if name not in now],
        [(now[n], e) for n, e in will.items() if n in now and not xmltree.same(now[n], e)],
    )
