# SPDX-License-Identifier: GPL-3.0-or-later
"""What of host ports runs otherwise than it is stored. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .host_port_commands import Links, is_of
from .host_ports import HostPort, every_address, interface_of
from .seen import Switch

Pairs = Iterator[tuple[str, str, str]]


def astray(links: Links, bridge: str, stored: Switch, of_linux: bool) -> Pairs:
    """Of each thing what it is, and what it is to be."""
    taken = every_address(stored.host_ports)
    for nic in stored.nics:
        has = [one for one in links.get(nic, {}).get("addresses", ()) if one in taken]
        if has:
            yield f"{nic} addresses", ", ".join(has), "none"
    for port in stored.host_ports:
        yield from _astray(links, bridge, port, of_linux)


def _astray(links: Links, bridge: str, port: HostPort, of_linux: bool) -> Pairs:
    name = interface_of(bridge, port, of_linux)
    link = links.get(name)
    if link is None:
        yield name, "not there", "there"
        return
    if of_linux and name != bridge and not is_of(link, bridge, port):
        yield f"{name} VLAN", str(link.get("vlan", 0)), f"{port.vlan} of {bridge}"
        return
    if not link["up"]:
        yield name, "down", "up"
    has, will = {*link["addresses"]}, {*port.addresses}
    if will - has or (name != bridge and has - will):
        yield f"{name} addresses", _said(has), _said(will)
    gateways = link.get("gateways", ())
    if any(via not in gateways for via in port.gateways):
        yield f"{name} gateway", _said(gateways), _said(port.gateways)


def _said(several: Iterable[str]) -> str:
    return ", ".join(sorted(several)) or "none"


def vlans_of_ovs(seen: Mapping[str, Any], stored: Switch) -> Pairs:
    """The ports that somebody gave another VLAN, or took away."""
    ports = seen.get("ports", {})
    for port in stored.host_ports:
        tag = ports.get(port.name, [port.vlan])[0]
        if tag != port.vlan:
            yield f"{port.name} VLAN", str(tag), str(port.vlan)
