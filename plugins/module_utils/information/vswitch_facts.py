# SPDX-License-Identifier: GPL-3.0-or-later
"""What there is of vswitches on a host: what is stored, what waits, their leases and their VMs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import lru_cache
from typing import Any

from ..engine import vlans, xmltree
from ..engine.keys import named
from ..engine.plan import Have
from ..engine.planner import pending_of
from ..host import linux_state, switch_state
from ..host.connection import Host
from ..host.live import machine_of
from ..kinds.vm.reader import read_domains
from ..kinds.vswitch.attached import attached
from ..kinds.vswitch.draft import VswitchDraft
from ..kinds.vswitch.kind import KIND
from ..kinds.vswitch.reader import leases_of, look_up, read_networks
from ..kinds.vswitch.switch.linux_seen import vlans_of
from ..kinds.vswitch.switch.overlay import tunnels
from ..kinds.vswitch.switch.seen import of_facts
from ..kinds.vswitch.told import unmanaged
from ..kinds.vswitch.tree import values_of

State = Callable[[], Mapping[str, Any]]
States = Mapping[bool, State]  # by whether it is of bridges of Linux


def gather(host: Host, params: Mapping[str, Any]) -> dict[str, Any]:
    """The vswitches that were asked for (all, if none was named), with who is on them."""
    vswitches = read_networks(host, params["names"])
    domains = read_domains(host)
    # Of all switches, once any is one.
    states = {
        of_linux: lru_cache(maxsize=None)(of.read_state)
        for of_linux, of in ((False, switch_state), (True, linux_state))
    }
    told = [
        {**KIND.result(have), **(_around(host, have, domains, states) if have.exists else {})}
        for _name, have in sorted(vswitches.items())
    ]
    return {"vswitches": told}


def _around(host: Host, have: Have, domains: Mapping[str, Have], states: States) -> dict[str, Any]:
    tree = have.live if have.live is not None else have.stored
    bridge = None if tree is None else xmltree.get(tree, "bridge/@name")
    nics = [asdict(nic) for nic in attached(domains, have.name, bridge)]
    return {
        **_of_switch(host, have, nics, states),
        "nics": nics,
        "leases": _leases(host, have),
        "pending_restart": _pending(have),
        "unmanaged": unmanaged(have.definition),
    }


def _of_switch(
    host: Host, have: Have, nics: list[dict[str, Any]], states: States
) -> dict[str, Any]:
    """What is seen of a switch: its uplinks, VLANs of its ports, what it learned."""
    switch = of_facts(have.facts)
    of_linux = vlans.is_on_linux_bridge(have.definition)
    for nic in nics if switch is not None or of_linux else ():
        nic.update(_vlans(host, nic["target"], of_linux))
    if switch is None:
        return {}
    seen = states[of_linux]()
    bridge = xmltree.get(have.definition, "bridge/@name") or ""
    uplinks = [{"nic": nic, **_state(seen.get(nic, {}))} for nic in switch.nics]
    addresses = (linux_state if of_linux else switch_state).read_addresses(bridge, seen)
    peers = tunnels(bridge, switch.overlay)
    for one in addresses:
        one.update({"peer": peers[one["port"]]} if one["port"] in peers else {})
    return {"uplink_states": uplinks, "mac_table": addresses}


def _vlans(host: Host, port: str, of_linux: bool) -> dict[str, Any]:
    """The VLANs that the port of a NIC has, by the options of a port group."""
    machine = machine_of(host)
    found = machine.linux_bridges.get("vlans", {}) if of_linux else machine.open_vswitch["ports"]
    if port not in found:
        return {}
    if of_linux:
        return vlans_of(found[port])
    values = vlans.values_of_port(vlans.port_as_told(found[port]))
    isolated = port in machine.open_vswitch.get("isolated", ())
    return {**{key[0]: value for key, value in values.items()}, "isolated": isolated}


def _state(interface: Mapping[str, Any]) -> dict[str, Any]:
    partner = {"partner": interface["partner"]} if "partner" in interface else {}
    return {
        "link": interface.get("link", ""),
        "active": interface.get("active", False),
        **partner,
    }


def _pending(have: Have) -> list[str]:
    if have.stored is None or have.live is None:
        return []
    stored, runs = values_of(have.stored), values_of(have.live)
    changes = pending_of(VswitchDraft, have.name, stored, runs)
    return [named(change.field) for change in changes]


def _leases(host: Host, have: Have) -> list[dict[str, Any]]:
    network = look_up(host, have.name) if have.live is not None else None
    return [] if network is None else [_lease(lease) for lease in leases_of(network)]


def _lease(lease: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "ip": lease["ipaddr"],
        "mac": lease["mac"],
        "hostname": lease["hostname"] or "",
        "client_id": lease["clientid"] or "",
        "expires": lease["expirytime"],
    }
