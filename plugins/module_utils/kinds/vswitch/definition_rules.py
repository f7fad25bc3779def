# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of a network as libvirt is to have it, with the parts that others wrote. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ...engine import vlans, xmltree
from ...engine.errors import FleetError
from ...engine.keys import named
from ...engine.xmltree import Element
from .table import DNS_ENABLED


def dns_of_others(network: Element) -> Iterator[FleetError]:
    """What no option says of DNS, and libvirt takes for no network without it."""
    given = {str(child.tag) for child in network.iterfind("dns[@enable='no']/*")}
    if others := sorted(given - {"host", "forwarder"}):
        message = (
            f"is false, and the network has <{'> and <'.join(others)}> in <dns>, which no option "
            "is about; remove that first (virsh net-edit), or enable it"
        )
        yield FleetError(message, "", named(DNS_ENABLED))


# Of networks that libvirt does not run itself (networkValidate); the element and what in it counts.
_OF_LIBVIRTS_OWN = ("mac", "ip", "dns/txt", "dns/host", "dns/srv", "domain")


def of_libvirts_own(network: Element) -> Iterator[FleetError]:
    """What others put into a network where libvirt takes it (virsh net-update), and then defines
    none with, be it to change another part."""
    if xmltree.get(network, "forward/@mode") in (None, "nat", "route", "open"):
        return
    for path in _OF_LIBVIRTS_OWN:
        if network.find(path) is not None:
            part, _slash, inside = path.partition("/")
            yield FleetError(
                f"has {f'a <{inside}> in ' if inside else ''}<{part}>, which others added, and "
                "libvirt changes nothing of a network on a bridge or device of the host that has "
                f"one; remove it first (virsh net-edit {network.findtext('name')})",
                "",
                part,
            )
    yield from _limits_beside_a_bridge(network)


def _limits_beside_a_bridge(network: Element) -> Iterator[FleetError]:
    if xmltree.get(network, "bridge/@name"):
        return
    for group in network.findall("portgroup"):
        if group.find("bandwidth") is not None:
            yield FleetError(
                "is there, since others added it, and libvirt changes nothing of a network on a "
                "device of the host that has limits; remove the port group first, or in the same "
                "task (state: absent)",
                "",
                named(("port_groups", group.get("name", ""), "bandwidth")),
            )


def vlans_of(network: Element, why_no_hook: Callable[[Element], str]) -> Iterator[FleetError]:
    """Port groups with VLANs, where there can be none."""
    for group in network.findall("portgroup"):
        if vlans.said(group) == vlans.Vlans():
            continue
        why = vlans.WHERE if vlans.has_no_vlans(network, group) else why_no_hook(group)
        if why:
            option = vlans.VLAN if vlans.said(group).access else vlans.TRUNK
            yield FleetError(why, "", named(("port_groups", group.get("name", ""), option)))
