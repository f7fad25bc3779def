# SPDX-License-Identifier: GPL-3.0-or-later
"""What gives NICs that came to a running VM, or to another vswitch, the VLANs of a Linux bridge.

libvirt before 11.0 does not, and calls no hook for a NIC of a VM that runs already.
"""

from __future__ import annotations

from typing import Any

from ...engine import vlans, xmltree
from ...engine.changes import Came, Changed
from ...engine.fields import items_of
from ...engine.plan import Plan
from ...host.connection import Host
from ...host.live import machine_of
from .nic_rows import NICS
from .reader import live_definition


def moved(plan: Plan) -> set[str]:
    """The NICs that a plan plugs in or connects elsewhere while their VM runs."""
    return {
        change.field[1]
        for change in plan.changes
        if change.at_once and change.field[0] == NICS.name and isinstance(change, (Came, Changed))
    }


def settle(host: Host, dom: Any, plan: Plan, names: set[str]) -> None:
    """Give such NICs the VLANs of their port groups, as far as they are on this machine."""
    from ...host.port_vlans import filters, set_ports  # where there are some
    from ..vswitch.applier_ports import refused
    from ..vswitch.ports import port_of
    from ..vswitch.reader import read_networks

    if not machine_of(host).is_this_machine:
        return
    nics = [nic for name, nic in items_of(NICS, live_definition(dom)).items() if name in names]
    of = {xmltree.get(nic, "source/@network") or "" for nic in nics} - {""}
    networks = {name: have.stored for name, have in read_networks(host, of).items()}
    wanted = {}
    for nic in nics:
        network = networks.get(xmltree.get(nic, "source/@network") or "")
        tap = xmltree.get(nic, "target/@dev") or ""
        if network is not None and vlans.is_on_linux_bridge(network) and filters(tap):
            wanted[tap] = port_of(network, xmltree.get(nic, "source/@portgroup"), nic)
    refused(set_ports(wanted), plan.resource)
