# SPDX-License-Identifier: GPL-3.0-or-later
"""How the NICs of running VMs are connected to a vswitch, and which have to be connected again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ...engine import xmltree
from ...engine.host import HostFacts
from ...engine.plan import Have
from ...engine.xmltree import Element
from ..vm.states import PAUSED, RUNNING
from .attached import nics_on


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


def connections_to(
    have: Have, after: Element, detour: Have, domains: Mapping[str, Have]
) -> list[Connection]:
    """All NICs of running VMs on a network, or still on the detour."""
    return [
        *_connections(domains, have, after),
        *_astray(domains, have, after, left_detour(detour)),
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


def detour_of(network: str) -> str:
    """The network by whose bridge NICs are connected again (applier_nics.py)."""
    return f"detour-of-{network}"


def left_detour(detour: Have) -> Element | None:
    """A detour that an interrupted run left; None where there is none."""
    return None if detour.facts.get("persistent", True) else detour.live


# ---- what an interrupted run left


@dataclass(frozen=True)
class Left:
    """What a run left that was interrupted: NICs that are not connected, and the detour."""

    connections: Sequence[Connection] = ()
    detour: bool = False


def left_by_interrupted_run(
    host: HostFacts,
    have: Have,
    after: Element,
    detour: Have,
    domains: Callable[[], Mapping[str, Have]],
) -> Left:
    """What is left to do for a network that runs.

    A NIC is not connected whose tap is on no bridge, or still on the detour. To read all VMs takes
    its time, so they are asked for only where there is such a tap, of whomever, or the detour.
    """
    taps, elsewhere = host.loose_taps, left_detour(detour)
    if not taps and elsewhere is None:
        return Left()
    there = domains()
    loose = [one for one in _connections(there, have, after) if one.tap in taps]
    return Left([*loose, *_astray(there, have, after, elsewhere)], elsewhere is not None)


def _astray(
    domains: Mapping[str, Have], have: Have, after: Element, detour: Element | None
) -> Iterator[Connection]:
    """The NICs on a detour that was left, if one was, to be connected as they are stored."""
    if detour is None:
        return
    elsewhere = xmltree.get(detour, "bridge/@name")
    bridge = xmltree.get(_before(have, after), "bridge/@name")
    for vm, live, stored in _running(domains):
        homes = nics_on(stored, have.name, bridge) if stored is not None else ()
        by_mac = {xmltree.get(home, "mac/@address"): home for home in homes}
        for nic in nics_on(live, detour_of(have.name), elsewhere):
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
    for vlan in again.findall("vlan") if not _has_own(nic, stored, "vlan") else ():
        again.remove(vlan)
    limits = again.find("bandwidth")
    if limits is not None and not _has_own(nic, stored, "bandwidth"):
        group = xmltree.get(nic, "source/@portgroup")
        if any(_limits_group(network, group) for network in networks):
            again.remove(limits)
    return again


def _has_own(nic: Element, stored: Element | None, tag: str) -> bool:
    mac = xmltree.get(nic, "mac/@address")
    for twin in stored.findall("devices/interface") if stored is not None else ():
        if xmltree.get(twin, "mac/@address") == mac:
            return twin.find(tag) is not None
    return True  # nobody knows


def _limits_group(network: Element, name: str | None) -> bool:
    """Whether NICs of a port group have limits; of None, those that name no port group."""
    return any(
        group.find("bandwidth") is not None
        for group in network.findall("portgroup")
        if (group.get("name") == name if name else group.get("default") == "yes")
    )
