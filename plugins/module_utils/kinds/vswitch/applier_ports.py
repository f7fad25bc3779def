# SPDX-License-Identifier: GPL-3.0-or-later
"""What sets the VLANs of the ports of running NICs, in the switch that they are on."""

from __future__ import annotations

from ...engine import vlans, xmltree
from ...engine.errors import FleetError
from ...engine.plan import Plan
from ...engine.xmltree import Element
from ...host.connection import Host
from ...host.live import machine_of
from ..vm.reader import read_domains
from . import ports
from .changes import Retagged


def retag(host: Host, plan: Plan) -> None:
    """Give the ports that a plan names the VLANs of their port groups."""
    network = plan.after.live
    if network is None:
        raise LookupError("a plan with this step runs")
    there = _there(host, network)
    was = plan.have.stored
    found = ports.astray(plan.wanted.name, network, read_domains(host), there, was)
    named = {one for change in plan.changes if isinstance(change, Retagged) for one in change.after}
    wanted = {one.tap: one.will for one in found if str(one) in named}
    if vlans.is_on_open_vswitch(network):
        from ...host.open_vswitch import set_ports

        set_ports(wanted, plan.resource)
    else:
        from ...host.port_vlans import set_ports as set_on_bridge

        refused(set_on_bridge(wanted), plan.resource)


def _there(host: Host, network: Element) -> ports.There:
    machine = machine_of(host)
    if vlans.is_on_open_vswitch(network):
        return ports.on_open_vswitch(machine)
    return ports.on_linux_bridge(machine, xmltree.get(network, "bridge/@name") or "", None)


def settle(host: Host, plan: Plan) -> None:
    """Give NICs that were connected again the VLANs of their port groups on a bridge of Linux."""
    network = plan.after.live
    if network is None or not vlans.is_on_linux_bridge(network):
        return
    if not machine_of(host).is_this_machine:
        return
    groups = {
        one.get("name") or ""
        for one in network.findall("portgroup")
        if one.find("vlan") is not None
    }
    from ...host.port_vlans import set_ports

    bridge = xmltree.get(network, "bridge/@name") or ""
    there = ports.on_linux_bridge(machine_of(host), bridge, groups)
    domains = read_domains(host)
    found = [*ports.astray(plan.wanted.name, network, domains, there, plan.have.stored)]
    if host.libvirt_version < vlans.ON_LINUX_BRIDGES:
        found += ports.astray_of_their_own(plan.wanted.name, network, domains, there)
    refused(set_ports({one.tap: one.will for one in found}), plan.resource)


def refused(said: list[str], resource: str) -> None:
    """Raise if something could not be done."""
    if said:
        raise FleetError(f"NICs are not in their VLANs: {'; '.join(said)}", resource)
