# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's networks as they are on a host."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from ...engine import xmltree
from ...engine.errors import FleetError
from ...engine.plan import Have
from ...engine.vlans import is_on_open_vswitch
from ...host.connection import Host, found, libvirt
from ...host.live import machine_of
from .noted_vlans import put_in_place
from .ports import is_linux_bridge
from .switch.makers import LINUX, OVS
from .switch.seen import of_bridge

# Below this many it is cheaper to look names up than to list all networks of a host.
FEW = 8


def look_up(host: Host, name: str) -> Any:
    """libvirt's handle of a network, None where there is none."""
    return found(host.conn.networkLookupByName, name, libvirt.VIR_ERR_NO_NETWORK)


def read_networks(host: Host, names: Iterable[str] | None = None) -> dict[str, Have]:
    """The named networks (None: all), also those that are not there, with stored and live XML."""
    with host.errors("", "read the networks"):
        if names is None:
            every = {net.name(): _have(host, net) for net in host.conn.listAllNetworks()}
            return _with_switches(host, every)
        wanted = list(names)
        there = {net.name(): net for net in _look_up_all(host, wanted)}
        haves = {
            name: _have(host, there[name]) if name in there else Have("vswitch", name)
            for name in wanted
        }
        return _with_switches(host, haves)


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
    try:
        live = xmltree.parse(net.XMLDesc(0)) if active else None
        stored = xmltree.parse(net.XMLDesc(inactive))
    except ValueError as error:
        raise FleetError(
            f"libvirt tells a definition of it that is {error}, as it does where the name of a "
            "port group has one of < & '; change that in "
            f"/etc/libvirt/qemu/networks/{net.name()}.xml and restart libvirt",
            f"vswitch/{net.name()}",
        ) from error
    for tree in (one for one in (live, stored) if one is not None):
        put_in_place(tree, stored)
    return Have("vswitch", net.name(), stored, live, facts)


def _with_switches(host: Host, haves: dict[str, Have]) -> dict[str, Have]:
    """The same, those on a switch of this machine with what that says of their bridges."""
    machine = machine_of(host)
    for maker, is_one in ((OVS, is_on_open_vswitch), (LINUX, is_linux_bridge)):
        on = {name: _bridge(have) for name, have in haves.items() if is_one(have.stored)}
        found = maker.seen(machine) if on and machine.is_this_machine else {}
        for name, bridge in on.items():
            switch = of_bridge(found, bridge)
            if switch is not None:
                have = haves[name]
                haves[name] = replace(have, facts={**have.facts, **switch.facts})
    return haves


def _bridge(have: Have) -> str:
    return xmltree.get(have.definition, "bridge/@name") or ""


def leases_of(network: Any) -> list[dict[str, Any]]:
    """The addresses that DHCP gave on an active network, as far as libvirt's driver knows them."""
    try:
        return list(network.DHCPLeases())
    except libvirt.libvirtError as error:
        if error.get_error_code() in (libvirt.VIR_ERR_NO_SUPPORT, libvirt.VIR_ERR_NO_NETWORK):
            return []
        raise


def read_filter(host: Host, name: str) -> str | None:
    """A network filter as libvirt tells it: empty if it is not there, None without its driver."""
    try:
        there = found(host.conn.nwfilterLookupByName, name, libvirt.VIR_ERR_NO_NWFILTER)
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_NO_SUPPORT:
            raise
        return None
    return "" if there is None else str(there.XMLDesc(0))


def read_leases(host: Host, vswitch: str) -> list[dict[str, Any]]:
    """The addresses that DHCP gave on a vswitch, if it is active."""
    network = look_up(host, vswitch)
    return leases_of(network) if network is not None and network.isActive() else []
