# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connecting the NICs of running VMs again to a network that was started under them.

libvirt does not do that by itself. It puts a tap on a bridge only when the interface is changed to
be on another bridge (qemuDomainChangeNet; up to version 9.0 also when its type changes). So each
NIC is declared to be on a bridge that is there for that moment, and then on its network again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from ...engine import xmltree
from ...engine.errors import FleetError
from ...engine.plan import Have, Plan
from ...engine.xmltree import Element
from ...host.connection import Host, libvirt, patiently, said
from ...host.interfaces import is_on_bridge, loose_taps
from ..vm.reader import read_domains
from ..vm.states import PAUSED, RUNNING
from .attached import nics_on
from .reader import look_up


@dataclass(frozen=True)
class Connection:
    """A NIC of a running VM: as it is connected now, and as it is to be connected again."""

    vm: str
    now: Element
    again: Element

    @property
    def tap(self) -> str:
        """Its device on the host."""
        return xmltree.get(self.now, "target/@dev") or ""

    def __str__(self) -> str:
        return f"{self.vm} ({xmltree.get(self.now, 'mac/@address')})"


@contextmanager
def reconnecting(
    host: Host, plan: Plan, connections: Sequence[Connection]
) -> Iterator[Callable[[Element], None]]:
    """What connects NICs of running VMs again to the network of a plan, once it runs.

    It takes the network's definition. All that it needs is there before the network is stopped.
    """
    clear_detour(host, plan.wanted.name)
    if not connections:
        yield lambda _network: None
        return
    with _detour(host, plan.wanted.name) as elsewhere:
        yield partial(_reconnect, host, plan, connections, elsewhere)


def connections_to(host: Host, plan: Plan) -> list[Connection]:
    """All NICs of running VMs on the network of a plan, or still on the detour."""
    domains, detour = read_domains(host), _left_detour(host, plan.wanted.name)
    return [
        *_connections(domains, plan.have, plan.after.definition),
        *_astray(domains, plan.have, plan.after.definition, detour),
    ]


def _connections(domains: Mapping[str, Have], have: Have, after: Element) -> list[Connection]:
    before = _before(have, after)
    bridge = xmltree.get(before, "bridge/@name")
    return [
        Connection(vm, nic, connected_again(nic, stored, [before, after]))
        for vm, live, stored in _running(domains)
        for nic in nics_on(live, have.name, bridge)
    ]


def _running(domains: Mapping[str, Have]) -> Iterator[tuple[str, Element, Element | None]]:
    for name, have in sorted(domains.items()):
        if have.live is not None and have.facts["state"] in (RUNNING, PAUSED):
            yield name, have.live, have.stored


def _before(have: Have, after: Element) -> Element:
    """The network as it was last; of one that is gone nothing is known but what it will be."""
    there = (tree for tree in (have.live, have.stored) if tree is not None)
    return next(there, after)


def _reconnect(
    host: Host, plan: Plan, connections: Sequence[Connection], elsewhere: str, network: Element
) -> None:
    """All are tried; the error names those that are not connected in the end."""
    bridge = xmltree.get(network, "bridge/@name") or ""
    failed = []
    for connection in connections:
        try:
            _connect(host, connection, elsewhere)
            if not is_on_bridge(host, connection.tap, bridge):
                failed.append(f"{connection}: it is not on the bridge {bridge}")
        except libvirt.libvirtError as error:
            failed.append(f"{connection}: {said(error)}")
    if failed:
        raise FleetError(
            f"runs, but these NICs are not connected: {'; '.join(failed)}; "
            "stop and start their VMs",
            plan.resource,
        )


def _connect(host: Host, connection: Connection, elsewhere: str) -> None:
    domain = host.conn.lookupByName(connection.vm)
    detour = xmltree.clone(connection.now)
    detour.set("type", "bridge")
    source = xmltree.ensure(detour, "source")
    source.attrib.clear()
    source.set("bridge", elsewhere)
    for wanted in (detour, connection.again):
        call = partial(domain.updateDeviceFlags, xmltree.serialise(wanted))
        patiently(partial(call, libvirt.VIR_DOMAIN_AFFECT_LIVE))


# ---- the detour


@contextmanager
def _detour(host: Host, network: str) -> Iterator[str]:
    """The bridge of a network without addresses, which libvirt forgets when it is stopped."""
    definition = Element("network")
    xmltree.put(definition, "name", _detour_of(network))
    detour = host.conn.networkCreateXML(xmltree.serialise(definition))
    try:
        yield detour.bridgeName()
    finally:
        detour.destroy()


def _detour_of(network: str) -> str:
    return f"detour-of-{network}"


def _left_detour(host: Host, network: str) -> Any:
    """libvirt's handle of a detour that an interrupted run left; None if there is none."""
    left = look_up(host, _detour_of(network))
    return left if left is not None and not left.isPersistent() else None


def clear_detour(host: Host, network: str) -> None:
    """Take away what an interrupted run left: it is in the way of nothing but the next detour."""
    left = _left_detour(host, network)
    if left is not None:
        left.destroy()


# ---- what an interrupted run left


@dataclass(frozen=True)
class Left:
    """What a run left that was interrupted: NICs that are not connected, and the detour."""

    connections: Sequence[Connection] = ()
    detour: bool = False


def left_by_interrupted_run(
    host: Host, have: Have, after: Element, domains: Callable[[], Mapping[str, Have]]
) -> Left:
    """What is left to do for a network that runs.

    A NIC is not connected whose tap is on no bridge, or still on the detour. To read all VMs takes
    its time, so they are asked for only where there is such a tap, of whomever, or the detour.
    """
    taps, detour = loose_taps(host), _left_detour(host, have.name)
    if not taps and detour is None:
        return Left()
    there = domains()
    loose = [one for one in _connections(there, have, after) if one.tap in taps]
    return Left([*loose, *_astray(there, have, after, detour)], detour is not None)


def _astray(
    domains: Mapping[str, Have], have: Have, after: Element, detour: Any
) -> Iterator[Connection]:
    """The NICs on a detour that was left, if one was, to be connected as they are stored."""
    if detour is None:
        return
    elsewhere = detour.bridgeName()
    bridge = xmltree.get(_before(have, after), "bridge/@name")
    for vm, live, stored in _running(domains):
        homes = nics_on(stored, have.name, bridge) if stored is not None else ()
        by_mac = {xmltree.get(home, "mac/@address"): home for home in homes}
        for nic in nics_on(live, detour.name(), elsewhere):
            home = by_mac.get(xmltree.get(nic, "mac/@address"))
            if home is not None:
                yield Connection(vm, nic, _at_home(nic, home))


def _at_home(nic: Element, home: Element) -> Element:
    """A NIC on the detour as it is connected where it is stored to be, with the limits of that."""
    again = xmltree.clone(nic)
    again.set("type", home.get("type", ""))
    for name in ("source", "bandwidth"):
        for element in again.findall(name):
            again.remove(element)
        again.extend(xmltree.clone(element) for element in home.findall(name))
    return again


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
