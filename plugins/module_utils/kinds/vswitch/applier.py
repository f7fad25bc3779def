# SPDX-License-Identifier: GPL-3.0-or-later
"""The calls that change a network in libvirt. What is to be called is decided in the kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ...engine import vlans, xmltree
from ...engine.errors import FleetError
from ...engine.host import TEST
from ...engine.plan import CREATE, Have, Plan
from ...engine.xmltree import Element
from ...host.connection import Host, libvirt, said
from ...host.live import machine_of
from ..vm.reader import read_domains
from . import applier_leftovers, leftovers, updates
from .applier_nics import reconnecting
from .attached import attached
from .connections import Connection, connections_to, detour_of, left_by_interrupted_run
from .noted_vlans import noted
from .reader import look_up, read_networks


def apply(host: Host, plan: Plan, steps: Sequence[str]) -> None:
    """Make the calls of a plan."""
    for step in steps:
        call, doing = STEPS[step]
        with host.errors(plan.resource, doing):
            call(host, plan)


def define(host: Host, plan: Plan) -> None:
    """Store the definition. A network that is active goes on with the one that it has."""
    _define(host, plan.after.stored)


def autostart(host: Host, plan: Plan) -> None:
    """Start it with the host, or no more."""
    _network(host, plan).setAutostart(plan.after.facts["autostart"])


def update(host: Host, plan: Plan) -> None:
    """Change the network that runs, in place; only what runs, since the rest has been stored."""
    commands = {
        updates.DELETE: libvirt.VIR_NETWORK_UPDATE_COMMAND_DELETE,
        updates.MODIFY: libvirt.VIR_NETWORK_UPDATE_COMMAND_MODIFY,
        updates.ADD: libvirt.VIR_NETWORK_UPDATE_COMMAND_ADD_LAST,
    }
    sections = {
        updates.RANGE: libvirt.VIR_NETWORK_SECTION_IP_DHCP_RANGE,
        updates.HOST: libvirt.VIR_NETWORK_SECTION_IP_DHCP_HOST,
        updates.DNS_HOST: libvirt.VIR_NETWORK_SECTION_DNS_HOST,
        updates.PORT_GROUP: libvirt.VIR_NETWORK_SECTION_PORTGROUP,
    }
    network = _network(host, plan)
    trees = [_as_taken(host, _tree(tree)) for tree in (plan.have.live, plan.after.live)]
    for one in updates.updates(*trees):
        network.update(
            commands[one.command],
            sections[one.section],
            one.ip_index,
            xmltree.serialise(one.element),
            libvirt.VIR_NETWORK_UPDATE_AFFECT_LIVE,
        )


def start(host: Host, plan: Plan) -> None:
    """Start it. One that was made just now and does not start is not left behind."""
    network = _network(host, plan)
    try:
        network.create()
    except libvirt.libvirtError:
        if network.isActive():
            return  # another run has started it meanwhile
        if plan.action == CREATE:
            network.undefine()
        raise


def clear(host: Host, plan: Plan) -> None:
    """End and remove what an interrupted start or stop left, in the way of the next start."""
    definition = plan.have.stored if plan.have.stored is not None else _tree(plan.after.stored)
    left = leftovers.find(machine_of(host), definition, lambda: taps_on(host, definition))
    network = look_up(host, plan.wanted.name)
    # While another run starts the network, libvirt answers this question when that is done.
    if network is None or not network.isActive():
        applier_leftovers.clear(definition, left, plan.resource)


def taps_on(host: Host, network: Element) -> set[str]:
    """The taps of running VMs that are on a network, which may itself not run."""
    name, bridge = (xmltree.get(network, path) for path in ("name", "bridge/@name"))
    return {nic.target for nic in attached(read_domains(host), name or "", bridge) if nic.target}


def guard(host: Host, plan: Plan) -> None:
    """Have the host set the switch back unless the controller still reaches it."""
    from .applier_switch import guard

    guard(host, plan)


def wire(host: Host, plan: Plan) -> None:
    """Make the switch beneath it, or change it in place."""
    from .applier_switch import wire

    wire(host, plan)


def unwire(host: Host, plan: Plan) -> None:
    """Take away the switch that was made for it."""
    from .applier_switch import unwire

    unwire(host, plan)


def make_filters(host: Host, plan: Plan) -> None:
    """Have libvirt know the network filters that NICs get."""
    from .applier_filters import make

    make(host, plan)


def follow(host: Host, plan: Plan) -> None:
    """Give NICs the network filters of their port groups."""
    from .applier_filters import follow

    follow(host, plan)


def stop(host: Host, plan: Plan) -> None:
    """Stop it."""
    _network(host, plan).destroy()


def undefine(host: Host, plan: Plan) -> None:
    """Remove its definition."""
    _network(host, plan).undefine()


# ---- under VMs that run


def connect(host: Host, plan: Plan) -> None:
    """Connect the NICs of running VMs: all after a start, else those that are not connected."""
    after = plan.after.definition
    try:
        if plan.have.exists and plan.have.live is None:
            connections = _connections(host, plan)
        else:
            left = left_by_interrupted_run(
                machine_of(host),
                plan.have,
                after,
                _detour(host, plan.wanted.name),
                lambda: read_domains(host),
            )
            connections = list(left.connections)
        with reconnecting(host, plan, connections) as reconnect:
            reconnect(_tree(plan.after.live))
        _settle(host, plan)
    except libvirt.libvirtError as error:
        raise FleetError(
            f"runs, but NICs of running VMs are not connected: {said(error)}; "
            "stop and start their VMs",
            plan.resource,
        ) from error


def retag(host: Host, plan: Plan) -> None:
    """Give the ports of running NICs the VLANs of their port groups, in the switch itself."""
    from .applier_ports import retag

    retag(host, plan)


def restart(host: Host, plan: Plan) -> None:
    """Stop it, start it as it is stored, and connect the NICs of running VMs again.

    One that does not start as it is stored is put back as it was, and the error reported.
    """
    network = _network(host, plan)
    with reconnecting(host, plan, _connections(host, plan)) as reconnect:
        network.destroy()
        try:
            network.create()
        except libvirt.libvirtError as error:
            why = f"does not start as it was declared, and is again as it was before: {said(error)}"
            _define(host, plan.have.live).create()
            _define(host, plan.have.stored)
            try:
                reconnect(_tree(plan.have.live))
            except FleetError as lost:
                why = f"{why}; it {lost.message}"
            raise FleetError(why, plan.resource) from error
        reconnect(_tree(plan.after.live))
    _settle(host, plan)


def _settle(host: Host, plan: Plan) -> None:
    from .applier_ports import settle

    settle(host, plan)


def _connections(host: Host, plan: Plan) -> list[Connection]:
    detour = _detour(host, plan.wanted.name)
    return connections_to(plan.have, plan.after.definition, detour, read_domains(host))


def _detour(host: Host, network: str) -> Have:
    name = detour_of(network)
    return read_networks(host, [name])[name]


# ---- handles


def _network(host: Host, plan: Plan) -> Any:
    network = look_up(host, plan.wanted.name)
    if network is None:
        raise FleetError("is not there any more; somebody removed it meanwhile", plan.resource)
    return network


def _define(host: Host, definition: Element | None) -> Any:
    return host.conn.networkDefineXML(xmltree.serialise(_as_taken(host, _tree(definition))))


def _as_taken(host: Host, network: Element) -> Element:
    """A network as the libvirt of its host takes it, which may have no VLANs on Linux bridges."""
    has_vlans = host.driver == TEST or host.libvirt_version >= vlans.ON_LINUX_BRIDGES
    return noted(network, has_vlans)


def _tree(element: Element | None) -> Element:
    if element is None:
        raise LookupError("a plan with this step has this tree")
    return element


STEPS: dict[str, tuple[Callable[[Host, Plan], None], str]] = {
    "define": (define, "define it"),
    "autostart": (autostart, "set its autostart"),
    "update": (update, "update what runs of it"),
    "clear": (clear, "remove what an interrupted run left"),
    "guard": (guard, "have its switch set back if need be"),
    "wire": (wire, "set the switch that it is on"),
    "unwire": (unwire, "remove the switch that it was on"),
    "filters": (make_filters, "make network filters"),
    "follow": (follow, "give NICs their network filters"),
    "start": (start, "start it"),
    "connect": (connect, "connect NICs to it"),
    "retag": (retag, "set the VLANs of ports"),
    "stop": (stop, "stop it"),
    "restart": (restart, "restart it"),
    "undefine": (undefine, "undefine it"),
}
