# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connecting the NICs of running VMs again to a network that was started under them.

libvirt does not do that by itself. It puts a tap on a bridge only when the interface is changed to
be on another bridge (qemuDomainChangeNet; up to version 9.0 also when its type changes). So each
NIC is declared to be on a bridge that is there for that moment, and then on its network again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from ansible_collections.kvm.fleet.plugins.module_utils import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.connection import (
    Host,
    libvirt,
    patiently,
    said,
)
from ansible_collections.kvm.fleet.plugins.module_utils.domains import PAUSED, RUNNING, read_domains
from ansible_collections.kvm.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.kvm.fleet.plugins.module_utils.networks import (
    is_on_bridge,
    look_up,
    nics_on,
)
from ansible_collections.kvm.fleet.plugins.module_utils.plan import Plan
from ansible_collections.kvm.fleet.plugins.module_utils.xmltree import Element


@dataclass(frozen=True)
class Connection:
    """A NIC of a running VM: as it is connected now, and as it is to be connected again."""

    domain: Any
    now: Element
    again: Element


@contextmanager
def reconnecting(host: Host, plan: Plan) -> Iterator[Callable[[Element], None]]:
    """What connects the NICs of running VMs again to the network of a plan, once it runs.

    It takes the network's definition. All that it needs is there before the network is stopped.
    """
    connections = _connections(host, plan)
    if not connections:
        yield lambda _network: None
        return
    with _detour(host, plan.wanted.name) as elsewhere:
        yield partial(_reconnect, host, plan, connections, elsewhere)


def _connections(host: Host, plan: Plan) -> list[Connection]:
    before = plan.have.live if plan.have.live is not None else plan.have.definition
    bridge = xmltree.get(before, "bridge/@name")
    networks = [before, plan.after.definition]
    return [
        Connection(host.conn.lookupByName(name), nic, connected_again(nic, have.stored, networks))
        for name, have in read_domains(host).items()
        if have.live is not None and have.facts["state"] in (RUNNING, PAUSED)
        for nic in nics_on(have.live, plan.wanted.name, bridge)
    ]


def _reconnect(
    host: Host, plan: Plan, connections: Sequence[Connection], elsewhere: str, network: Element
) -> None:
    """All are tried; the error names those that are not connected in the end."""
    bridge = xmltree.get(network, "bridge/@name") or ""
    failed = []
    for connection in connections:
        try:
            _connect(connection, elsewhere)
            if not is_on_bridge(host, _tap(connection), bridge):
                failed.append(f"{_named(connection)}: it is not on the bridge {bridge}")
        except libvirt.libvirtError as error:
            failed.append(f"{_named(connection)}: {said(error)}")
    if failed:
        raise FleetError(
            f"was started, but these NICs are not connected: {'; '.join(failed)}; "
            "stop and start their VMs",
            plan.resource,
        )


@contextmanager
def _detour(host: Host, network: str) -> Iterator[str]:
    """The bridge of a network without addresses, which libvirt forgets when it is stopped.

    One that an interrupted run left is in the way of nothing but this, and taken away first.
    """
    name = f"detour-of-{network}"
    definition = Element("network")
    xmltree.put(definition, "name", name)
    left = look_up(host, name)
    if left is not None and not left.isPersistent():
        left.destroy()
    detour = host.conn.networkCreateXML(xmltree.serialise(definition))
    try:
        yield detour.bridgeName()
    finally:
        detour.destroy()


def _connect(connection: Connection, elsewhere: str) -> None:
    detour = xmltree.clone(connection.now)
    detour.set("type", "bridge")
    source = xmltree.ensure(detour, "source")
    source.attrib.clear()
    source.set("bridge", elsewhere)
    for wanted in (detour, connection.again):
        call = partial(connection.domain.updateDeviceFlags, xmltree.serialise(wanted))
        patiently(partial(call, libvirt.VIR_DOMAIN_AFFECT_LIVE))


def _tap(connection: Connection) -> str:
    return xmltree.get(connection.now, "target/@dev") or ""


def _named(connection: Connection) -> str:
    return f"{connection.domain.name()} ({xmltree.get(connection.now, 'mac/@address')})"


# ---- what libvirt shows of a NIC, and what it is to be told


def connected_again(nic: Element, stored: Element | None, networks: Iterable[Element]) -> Element:
    """How a NIC that is connected is declared to libvirt when it is to be connected again.

    That is without what libvirt assigned to the connection. The limits of the NIC's port group are
    among it: libvirt shows them as the NIC's own, and would keep them as such. They are told apart
    by the stored NIC, which has none, and by the port group, which has some in one of these
    definitions of its network.
    """
    again = xmltree.clone(nic)
    if nic.get("type") != "network":
        return again
    for assigned in ("portid", "bridge"):
        xmltree.put(again, f"source/@{assigned}", None)
    limits = again.find("bandwidth")
    if limits is not None and not _has_own_limits(nic, stored):
        group = xmltree.get(nic, "source/@portgroup")
        if any(_limits_group(network, group) for network in networks):
            again.remove(limits)
    return again


def _has_own_limits(nic: Element, stored: Element | None) -> bool:
    mac = xmltree.get(nic, "mac/@address")
    for twin in stored.findall("devices/interface") if stored is not None else ():
        if xmltree.get(twin, "mac/@address") == mac:
            return twin.find("bandwidth") is not None
    return True  # nobody knows


def _limits_group(network: Element, name: str | None) -> bool:
    """Whether NICs of a port group have limits; of None, those that name no port group."""
    return any(
        group.find("bandwidth") is not None
        for group in network.findall("portgroup")
        if (group.get("name") == name if name else group.get("default") == "yes")
    )
