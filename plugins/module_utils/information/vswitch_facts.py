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
from ..host.connection import Host
from ..host.live import machine_of
from ..host.switch_state import read_addresses, read_state
from ..kinds.vm.reader import read_domains
from ..kinds.vswitch.attached import attached
from ..kinds.vswitch.draft import VswitchDraft
from ..kinds.vswitch.kind import KIND
from ..kinds.vswitch.reader import leases_of, look_up, read_networks
from ..kinds.vswitch.switch.seen import of_facts
from ..kinds.vswitch.told import unmanaged
from ..kinds.vswitch.tree import values_of

State = Callable[[], Mapping[str, Any]]


def gather(host: Host, params: Mapping[str, Any]) -> dict[str, Any]:
    """The vswitches that were asked for (all, if none was named), with who is on them."""
    vswitches = read_networks(host, params["names"])
    domains = read_domains(host)
    state = lru_cache(maxsize=None)(read_state)  # of all switches, once any is one
    told = [
        {**KIND.result(have), **(_around(host, have, domains, state) if have.exists else {})}
        for _name, have in sorted(vswitches.items())
    ]
    return {"vswitches": told}


def _around(host: Host, have: Have, domains: Mapping[str, Have], state: State) -> dict[str, Any]:
    tree = have.live if have.live is not None else have.stored
    bridge = None if tree is None else xmltree.get(tree, "bridge/@name")
    nics = [asdict(nic) for nic in attached(domains, have.name, bridge)]
    return {
        **_of_switch(host, have, nics, state),
        "nics": nics,
        "leases": _leases(host, have),
        "pending_restart": _pending(have),
        "unmanaged": unmanaged(have.definition),
    }


def _of_switch(host: Host, have: Have, nics: list[dict[str, Any]], state: State) -> dict[str, Any]:
    """What is seen of a switch of Open vSwitch: uplinks, VLANs of its ports, what it learned."""
    switch = of_facts(have.facts)
    if switch is None:
        return {}
    bridge = xmltree.get(have.definition, "bridge/@name") or ""
    ports = machine_of(host).open_vswitch["ports"]
    for nic in nics:
        if nic["target"] in ports:
            port = vlans.port_as_told(ports[nic["target"]])
            nic.update({key[0]: value for key, value in vlans.values_of_port(port).items()})
    seen = state()
    uplinks = [{"nic": nic, **_state(seen.get(nic, {}))} for nic in switch.nics]
    return {"uplink_states": uplinks, "mac_table": read_addresses(bridge, seen)}


def _state(interface: Mapping[str, Any]) -> dict[str, Any]:
    return {"link": interface.get("link", ""), "active": interface.get("active", False)}


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
