# SPDX-License-Identifier: GPL-3.0-or-later
"""What gives NICs of a running VM the VLANs of a Linux bridge: those that came, that are on another
vswitch by now, or whose own VLANs are others. Those on Open vSwitch it isolates.

libvirt before 11.0 does not, none isolates on Open vSwitch, and it calls no hook for a NIC of a VM
that runs already.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...engine import vlans, xmltree
from ...engine.changes import Came, Changed
from ...engine.fields import items_of
from ...engine.plan import Plan
from ...engine.xmltree import Element
from ...host.connection import Host
from ...host.live import machine_of
from .nic_rows import NICS
from .reader import live_definition


def moved(plan: Plan) -> set[str]:
    """The NICs that a plan plugs in, connects elsewhere or gives VLANs while their VM runs."""
    return {
        change.field[1]
        for change in plan.changes
        if change.at_once and change.field[0] == NICS.name and isinstance(change, (Came, Changed))
    }


def settle(host: Host, dom: Any, plan: Plan, names: set[str]) -> None:
    """Give such NICs their VLANs, as far as they are on this machine."""
    from ...host.port_vlans import filters, set_ports  # where there are some
    from ..vswitch.applier_ports import refused
    from ..vswitch.ports import port_of
    from ..vswitch.reader import read_networks

    if not machine_of(host).is_this_machine:
        return
    has_all = host.libvirt_version >= vlans.ON_LINUX_BRIDGES
    runs = items_of(NICS, live_definition(dom)) if has_all else _as_they_are_to_be(dom, plan)
    nics = {name: nic for name, nic in runs.items() if name in names}
    of = {xmltree.get(nic, "source/@network") or "" for nic in nics.values()} - {""}
    networks = {name: have.stored for name, have in read_networks(host, of).items()}
    former = {} if plan.have.live is None else items_of(NICS, plan.have.live)
    wanted, on_bridge, on_switch = {}, [], {}
    for name, nic in nics.items():
        network = networks.get(xmltree.get(nic, "source/@network") or "")
        tap = xmltree.get(nic, "target/@dev") or ""
        if network is None:
            continue
        port = port_of(network, xmltree.get(nic, "source/@portgroup"), nic)
        if vlans.is_on_linux_bridge(network) and filters(tap):
            wanted[tap] = port
            on_bridge.append(name)
        elif port.isolated is not None or _was_isolated(former.get(name), network):
            on_switch[tap] = bool(port.isolated)
    refused(set_ports(wanted), plan.resource)
    if on_switch:
        from ...host.open_vswitch import isolate

        isolate(on_switch, plan.resource)
    if not has_all:
        _note(dom, {name: nics[name].find("vlan") for name in on_bridge})


def _was_isolated(nic: Element | None, network: Element) -> bool:
    """Whether the port group on this network isolated a NIC that it was in."""
    from ..vswitch.ports import port_of

    if nic is None or xmltree.get(nic, "source/@network") != xmltree.get(network, "name"):
        return False
    return bool(port_of(network, xmltree.get(nic, "source/@portgroup")).isolated)


def _as_they_are_to_be(dom: Any, plan: Plan) -> Mapping[str, Element]:
    """NICs that run, each with the VLANs of its own that it is to have now."""
    runs, stored = (items_of(NICS, tree) for tree in (live_definition(dom), plan.after.definition))
    before = items_of(NICS, plan.have.running) if plan.have.live is not None else {}
    for name, nic in runs.items():
        source = stored if _has_them_now(name, plan) else before
        own = source[name].find("vlan") if name in source else None
        for shown in nic.findall("vlan"):
            nic.remove(shown)
        if own is not None:
            nic.append(xmltree.clone(own))
    return runs


def _has_them_now(name: str, plan: Plan) -> bool:
    """Whether a NIC is to have by now the VLANs that are stored of it, which may wait."""
    of_vlans = [c for c in plan.changes if c.field[:2] == (NICS.name, name) and _is_of_vlans(c)]
    return all(change.at_once for change in of_vlans)


def _is_of_vlans(change: Any) -> bool:
    return len(change.field) == 2 or change.field[2] in vlans.NAMES


def _note(dom: Any, own: Mapping[str, Element | None]) -> None:
    """Note in what runs the VLANs that NICs have of their own: by that it is restored."""
    from .applier_live import set_resource
    from .applier_vlans import notes_of, resource_of
    from .noted_vlans import NIC, note_of

    was = notes_of(dom)
    kept = [one for one in was if one.get("name") not in own]
    come = [note_of(name, v) for name, v in own.items() if v is not None]
    will = [*kept, *come]
    if [xmltree.serialise(one) for one in was] == [xmltree.serialise(one) for one in will]:
        return
    resource = resource_of(dom)
    for note in resource.findall(NIC):
        resource.remove(note)
    set_resource(dom, resource, will)
