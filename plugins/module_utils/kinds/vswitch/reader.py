# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's networks as they are on a host."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...engine import xmltree
from ...engine.plan import Have
from ...host.connection import Host, found, libvirt

# Below this many it is cheaper to look names up than to list all networks of a host.
FEW = 8


def look_up(host: Host, name: str) -> Any:
    """libvirt's handle of a network, None where there is none."""
    return found(host.conn.networkLookupByName, name, libvirt.VIR_ERR_NO_NETWORK)


def read_networks(host: Host, names: Iterable[str] | None = None) -> dict[str, Have]:
    """The named networks (None: all), also those that are not there, with stored and live XML."""
    with host.errors("", "read the networks"):
        if names is None:
            return {net.name(): _have(host, net) for net in host.conn.listAllNetworks()}
        wanted = list(names)
        there = {net.name(): net for net in _look_up_all(host, wanted)}
        return {
            name: _have(host, there[name]) if name in there else Have("vswitch", name)
            for name in wanted
        }


def _look_up_all(host: Host, names: list[str]) -> list[Any]:
    if len(names) > FEW:
        return list(host.conn.listAllNetworks())
    return [net for net in (look_up(host, name) for name in names) if net is not None]


def _have(host: Host, net: Any) -> Have:
    active, persistent = bool(net.isActive()), bool(net.isPersistent())
    facts = {
        "state": "active" if active else "inactive",
        "autostart": persistent and bool(net.autostart()),
        "persistent": persistent,
    }
    # The driver for tests knows one definition only, and no flag.
    inactive = 0 if host.driver == "TEST" else libvirt.VIR_NETWORK_XML_INACTIVE
    live = xmltree.parse(net.XMLDesc(0)) if active else None
    return Have("vswitch", net.name(), xmltree.parse(net.XMLDesc(inactive)), live, facts)


def leases_of(network: Any) -> list[dict[str, Any]]:
    """The addresses that DHCP gave on an active network, as far as libvirt's driver knows them."""
    try:
        return list(network.DHCPLeases())
    except libvirt.libvirtError as error:
        if error.get_error_code() in (libvirt.VIR_ERR_NO_SUPPORT, libvirt.VIR_ERR_NO_NETWORK):
            return []
        raise


def read_leases(host: Host, vswitch: str) -> list[dict[str, Any]]:
    """The addresses that DHCP gave on a vswitch, if it is active."""
    network = look_up(host, vswitch)
    return leases_of(network) if network is not None and network.isActive() else []
