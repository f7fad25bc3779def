# SPDX-License-Identifier: GPL-3.0-or-later
"""What iproute2 is told to give host ports their addresses, whatever they have now. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .host_ports import HostPort, every_address, interface_of
from .linux_commands import USUAL_MTU
from .seen import Switch

Command = list[str]
Links = Mapping[str, Mapping[str, Any]]


# So that it takes them for its own, and there are not two.
_AS_NETWORKD = ("proto", "static")


def releasing(links: Links, bridge: str, was: Switch, will: Switch) -> Iterator[Command]:
    """The VLANs of a bridge of Linux that go, or become others: an interface keeps its VLAN."""
    stay = {port.name: port.vlan for port in will.host_ports if port.vlan}
    for port in was.host_ports:
        if not port.vlan:
            continue
        if port.name in links and stay.get(port.name) != port.vlan:
            yield ["ip", "link", "delete", "dev", port.name]
        if bridge in links and port.vlan not in stay.values():
            yield ["bridge", "vlan", "delete", "dev", bridge, "vid", str(port.vlan), "self"]


def making(links: Links, bridge: str, will: Switch) -> Iterator[Command]:
    """The interfaces of VLANs on a bridge of Linux."""
    for port in will.host_ports:
        if not port.vlan:
            continue
        yield ["bridge", "vlan", "add", "dev", bridge, "vid", str(port.vlan), "self"]
        link = links.get(port.name)
        if link is not None and not is_of(link, bridge, port):
            yield ["ip", "link", "delete", "dev", port.name]
            link = None
        if link is None:
            of = ["type", "vlan", "id", str(port.vlan)]
            yield ["ip", "link", "add", "link", bridge, "name", port.name, *of]


def is_of(link: Mapping[str, Any], bridge: str, port: HostPort) -> bool:
    """Whether an interface is the VLAN of a bridge that it is to be."""
    return link["below"] == bridge and link.get("vlan", 0) == port.vlan


def addressing(
    links: Links, bridge: str, was: Switch, will: Switch, of_linux: bool
) -> Iterator[Command]:
    """The addresses that move from uplinks, those that go, and those that come, with routes."""
    taken = every_address(will.host_ports)
    for nic in will.nics:
        has = links.get(nic, {}).get("addresses", ())
        yield from _without([one for one in has if one in taken], nic)
    yield from _gone(links, bridge, was, will, of_linux)
    for port in will.host_ports:
        mtu = _mtu_of(port, was, will, of_linux)
        yield from _set(links, interface_of(bridge, port, of_linux), port, mtu)


def clearing(links: Links, bridge: str, was: Switch, will: Switch) -> Iterator[Command]:
    """What NetworkManager leaves of what is active: routes that go, and interfaces that had no
    addresses of IPv6 and so have it switched off."""
    stay = {interface_of(bridge, port, True): {*port.routes} for port in will.host_ports}
    for port in was.host_ports:
        name = interface_of(bridge, port, True)
        gone = [one for one in port.routes if one not in stay.get(name, ())]
        for to, via in gone if name in links else ():
            yield ["ip", *_family(via), "route", "flush", "exact", to, "via", via, "dev", name]
    for port in will.host_ports:
        name = interface_of(bridge, port, True)
        if name in links and any(":" in one for one in port.addresses):
            yield ["sh", "-c", f"echo 0 > /proc/sys/net/ipv6/conf/{name}/disable_ipv6"]


def _family(address: str) -> list[str]:
    return ["-6" if ":" in address else "-4"]


def _mtu_of(port: HostPort, was: Switch, will: Switch, of_linux: bool) -> int:
    """The MTU that is set; 0 leaves it. The kernel lowers that of a VLAN with its bridge, and never
    raises it again."""
    had = was.mtu or any(one.mtu for one in was.host_ports if one.name == port.name)
    return port.mtu or will.mtu or (USUAL_MTU if of_linux and had else 0)


def _gone(
    links: Links, bridge: str, was: Switch, will: Switch, of_linux: bool
) -> Iterator[Command]:
    """What a host port has no more. An interface of its own that goes takes its addresses along."""
    stay: dict[str, set[str]] = {}
    for port in will.host_ports:
        stay[interface_of(bridge, port, of_linux)] = {*port.addresses}
    for port in was.host_ports:
        name = interface_of(bridge, port, of_linux)
        has = links.get(name, {}).get("addresses", ())
        goes = [one for one in has if one in port.addresses and one not in stay.get(name, ())]
        yield from _without(goes, name)


def _without(addresses: Iterable[str], name: str) -> Iterator[Command]:
    yield from (["ip", "address", "delete", one, "dev", name] for one in addresses)


def _set(links: Links, name: str, port: HostPort, mtu: int) -> Iterator[Command]:
    link = links.get(name, {})
    if mtu:
        yield ["ip", "link", "set", "dev", name, "mtu", str(mtu)]
    yield ["ip", "link", "set", "dev", name, "up"]
    has = link.get("addresses", ())
    yield from (
        ["ip", "address", "replace", a, "dev", name] for a in port.addresses if a not in has
    )
    routes = [("default", via) for via in port.gateways if via not in link.get("gateways", ())]
    for to, via in (*routes, *port.routes):
        family = "-6" if ":" in via else "-4"
        yield ["ip", family, "route", "replace", to, "via", via, "dev", name, *_AS_NETWORKD]
    old = [via for via in link.get("gateways", ()) if via not in port.gateways]
    for via in old if port.addresses else ():
        family = "-6" if ":" in via else "-4"
        yield ["ip", family, "route", "flush", "exact", "default", "via", via, "dev", name]


# ---- of Open vSwitch


def ports_of_ovs(has: Iterable[str], bridge: str, will: Switch) -> Iterator[Command]:
    """What ovs-vsctl is told of host ports, of which a bridge has some."""
    stay = {port.name for port in will.host_ports}
    for name in sorted({*has} - stay):
        yield ["--if-exists", "del-port", bridge, name]
    for port in will.host_ports:
        mtu = port.mtu or will.mtu
        yield ["--may-exist", "add-port", bridge, port.name]
        yield ["set", "Interface", port.name, "type=internal"]
        if mtu:
            yield ["set", "Interface", port.name, f"mtu_request={mtu}"]
        else:
            yield ["clear", "Interface", port.name, "mtu_request"]
        yield ["clear", "Port", port.name, "tag", "trunks", "vlan_mode"]
        tag = [f"tag={port.vlan}"] if port.vlan else []
        yield ["set", "Port", port.name, *tag, f"{NOTE}={json.dumps(port.note)}"]


NOTE = "external_ids:kvm-fleet-host"
