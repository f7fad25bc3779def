# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of host ports. Pure; each function says one rule."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Union

from ....engine.errors import FleetError
from ....engine.keys import named
from .host_ports import HOST_PORTS, HostPort
from .seen import Switch

Links = Mapping[str, Mapping[str, Any]]
Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]
Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]
USUAL_MTU = 1500
RESERVED = ("uplinks", "overlay")  # by which a bridge's files call its bond and its tunnels


def check(will: Switch, of_linux: bool) -> Iterator[FleetError]:
    """All that can be said without a look at the host."""
    for port in will.host_ports:
        yield from _reached(port)
        yield from _mtu(port, will)
        if port.name in RESERVED or port.name in (*will.nics,):
            yield _wrong(port, "name", f"{port.name} is what else of the switch is called")
    yield from _once(will, of_linux)
    yield from _one_way_out(will)


def _reached(port: HostPort) -> Iterator[FleetError]:
    """A gateway is found on a network that the port has, or by an address of the link itself."""
    networks = [ipaddress.ip_interface(one).network for one in port.addresses]
    of = [("gateway", port.gateway), ("gateway6", port.gateway6)]
    for option, via in (*of, *(("routes", via) for _to, via in port.routes)):
        if via and not _is_near(ipaddress.ip_address(via), networks):
            has = ", ".join(map(str, networks)) or "none"
            yield _wrong(port, option, f"{via} is on no network of the port, which has {has}")


def _is_near(via: Address, networks: Sequence[Network]) -> bool:
    """A port with IPv6 has the network of its link too, by which routers make themselves known."""
    has_ipv6 = any(network.version == 6 for network in networks)
    of_link = via.version == 6 and via.is_link_local and has_ipv6
    return of_link or any(via in network for network in networks)


def _mtu(port: HostPort, will: Switch) -> Iterator[FleetError]:
    limit = will.mtu or USUAL_MTU
    if port.mtu > limit:
        yield _wrong(port, "mtu", f"{port.mtu} is more than the switch has, which is {limit}")


def _once(will: Switch, of_linux: bool) -> Iterator[FleetError]:
    """An address is on one port; Linux has one interface for each VLAN of a bridge."""
    addresses = Counter(one.split("/")[0] for port in will.host_ports for one in port.addresses)
    vlans = Counter(port.vlan for port in will.host_ports)
    for port in will.host_ports:
        for one in port.addresses:
            if addresses[one.split("/")[0]] > 1:
                yield _wrong(port, "addresses", f"{one} is on two ports")
        if of_linux and vlans[port.vlan] > 1:
            said = f"VLAN {port.vlan}" if port.vlan else "no VLAN"
            yield _wrong(port, "vlan", f"two ports have {said}; a bridge of Linux has one for each")


def _one_way_out(will: Switch) -> Iterator[FleetError]:
    for option in ("gateway", "gateway6"):
        several = [port for port in will.host_ports if getattr(port, option)]
        for port in several[1:]:
            yield _wrong(
                port, option, f"{several[0].name} has one already, and a host one default route"
            )


def beside_others(now: Switch, will: Switch, bridge: str, links: Links) -> Iterator[FleetError]:
    """Interfaces and addresses that the host has already, for another purpose."""
    mine = {bridge, *will.nics, *now.nics, *(port.name for port in now.host_ports)}
    known = {port.name: {*port.addresses} for port in now.host_ports}
    for port in will.host_ports:
        if port.name not in known and port.name in links:
            yield _wrong(port, "name", f"the host has an interface {port.name} already")
        for one in (a for a in port.addresses if a not in known.get(port.name, ())):
            on = _holder(one, links, mine)
            if on:
                yield _wrong(port, "addresses", f"{one} is on {on}; take it from there first")


def _holder(address: str, links: Links, mine: set[str]) -> str:
    bare = address.split("/")[0]
    others = ((n, link) for n, link in sorted(links.items()) if n not in mine)
    has = (n for n, link in others if any(a.split("/")[0] == bare for a in link["addresses"]))
    return next(has, "")


def of_others(will: Switch, bridge: str) -> Iterator[FleetError]:
    """On a bridge that others made, nobody would know whose a port is."""
    if not will.owner and will.host_ports:
        yield _wrong(
            will.host_ports[0],
            "",
            f"the bridge {bridge} was made by others; give the host its addresses there, or name a "
            "bridge that is not there, which is made",
        )


def _wrong(port: HostPort, option: str, message: str) -> FleetError:
    at = (*HOST_PORTS, port.name, *([option] if option else []))
    return FleetError(message, "", named(at))
