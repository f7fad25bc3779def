# SPDX-License-Identifier: GPL-3.0-or-later
"""The ports of running NICs, on Open vSwitch and on Linux bridges: which VLANs they have, and which
they are to have; on Open vSwitch also whether they are isolated, which libvirt knows nothing of.

libvirt sets the VLANs of a port when it makes it, and refuses to change them (qemuDomainChangeNet).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from typing import NamedTuple

from ...engine import vlan_ports, vlans, xmltree
from ...engine.host import HostFacts
from ...engine.mark import MARK
from ...engine.plan import Have
from ...engine.vlan_ports import NONE, Port
from ...engine.xmltree import Element
from ..vm.states import PAUSED, RUNNING
from .attached import nics_on
from .noted_vlans import ISOLATION

LINUX_BRIDGE = "linux_bridge"


class Astray(NamedTuple):
    """A port that is not as its port group says."""

    vm: str
    mac: str
    tap: str
    now: Port
    will: Port

    def __str__(self) -> str:
        return f"{self.vm} ({self.mac})"


def is_linux_bridge(network: Element | None) -> bool:
    """Whether a network is on a bridge of Linux that is kept here."""
    if network is None or xmltree.get(network, "forward/@mode") != "bridge":
        return False
    return xmltree.get(network, f"{MARK}/@switch") == LINUX_BRIDGE


def port_of(network: Element, group: str | None, nic: Element | None = None) -> Port:
    """What the port of a NIC is to be: by what it says itself, its port group, or the network."""
    of_group = next((one for one in network.findall("portgroup") if _is(one, group)), None)
    places = (one for one in (nic, of_group, network) if one is not None)
    port = next((vlan_ports.port_in(one) for one in places if one.find("vlan") is not None), NONE)
    said = None if of_group is None else of_group.get(ISOLATION)
    if said is None or not vlans.is_on_open_vswitch(network):
        return port
    return port._replace(isolated=said == "yes")


def _is(group: Element, name: str | None) -> bool:
    return group.get("name") == name if name else group.get("default") == "yes"


class There(NamedTuple):
    """The ports that can be seen of a switch, or why none can; `settled` is how a port is found
    that was given some VLANs, and `groups` are those whose NICs are looked after."""

    error: str
    ports: Mapping[str, Port]
    settled: Callable[[Port], Port]
    groups: Collection[str] | None = None

    def has(self, network: Element, group: str | None) -> bool:
        """Whether the ports of a port group are looked after."""
        found = next((one for one in network.findall("portgroup") if _is(one, group)), None)
        return self.groups is None or (found is not None and found.get("name") in self.groups)


def on_open_vswitch(host: HostFacts) -> There:
    """All ports of Open vSwitch."""
    seen = host.open_vswitch
    isolated = {*seen.get("isolated", ())}
    ports = {
        name: vlans.port_as_told(one)._replace(isolated=name in isolated)
        for name, one in seen["ports"].items()
    }
    return There(seen["error"], ports, lambda port: port)


def on_linux_bridge(host: HostFacts, bridge: str, groups: Collection[str] | None) -> There:
    """The ports of a bridge of Linux that filters VLANs. Others may set VLANs of ports there by
    means of their own, so only some port groups are looked after."""
    seen = host.linux_bridges
    links = seen.get("links", {})
    link = links.get(bridge, {})
    error = str(seen.get("error", ""))
    if not error and link and not link["filtering"]:
        error = f"{bridge} does not filter VLANs"
    on_it = [name for name, one in links.items() if one["master"] == bridge and not error]
    ports = {name: vlan_ports.port_of_ranges(seen["vlans"].get(name, ())) for name in on_it}
    settled = partial(vlan_ports.settled, default=link.get("pvid", 0))
    return There(error, ports, settled, groups)


def astray(
    name: str, network: Element, domains: Mapping[str, Have], there: There, was: Element | None
) -> Iterator[Astray]:
    """The ports that have not what the port groups of a network say, of NICs that follow those, or
    what they said until now, as it `was`, and say no more."""
    for vm, have, nic, tap in _running(name, domains, there):
        mac = xmltree.get(nic, "mac/@address") or ""
        group = xmltree.get(nic, "source/@portgroup")
        if not there.has(network, group):
            continue
        now, will = there.ports[tap], there.settled(port_of(network, group))
        had = NONE if was is None else there.settled(port_of(was, group))
        isolated = (now.isolated and not had.isolated) if will.isolated is None else will.isolated
        if not _follows(nic, have.stored, was is not None and now[:3] == had[:3]):
            will = now  # which is its VM's to watch, but for what no NIC says itself
        will = will._replace(isolated=isolated)
        if now != will:
            yield Astray(vm, mac, tap, now, will)


def meaning(found: Collection[Astray]) -> str:
    """What it means for the frames of ports that become as they are to be."""
    said = []
    if any(one.now[:3] != one.will[:3] for one in found):
        said.append("their frames are in other VLANs from then on")
    if any(one.will.isolated and not one.now.isolated for one in found):
        said.append("frames between two that are isolated are dropped from then on")
    if any(one.now.isolated and not one.will.isolated for one in found):
        said.append("those that are isolated no more reach each other again")
    return "; ".join(said)


def astray_of_their_own(
    name: str, network: Element, domains: Mapping[str, Have], there: There
) -> Iterator[Astray]:
    """The ports that have not the VLANs that their NICs say themselves, as they run."""
    for vm, _have, nic, tap in _running(name, domains, there):
        if nic.find("vlan") is None:
            continue
        now, will = there.ports[tap], there.settled(port_of(network, None, nic))
        if now != will:
            yield Astray(vm, xmltree.get(nic, "mac/@address") or "", tap, now, will)


def _running(
    name: str, domains: Mapping[str, Have], there: There
) -> Iterator[tuple[str, Have, Element, str]]:
    """The NICs on a network that have a port which is seen, each with its VM and its tap."""
    for vm, have in sorted(domains.items()):
        if have.live is None or have.facts.get("state") not in (RUNNING, PAUSED):
            continue
        for nic in nics_on(have.live, name, None):
            tap = xmltree.get(nic, "target/@dev") or ""
            if tap in there.ports:
                yield vm, have, nic, tap


def _follows(nic: Element, stored: Element | None, did: bool) -> bool:
    """Whether a NIC that runs has nothing of its own to say, as it is stored. Of one that is stored
    nowhere, since somebody plugged it in, libvirt tells VLANs of its own and of its group alike: it
    does if it has none, or has just what its group said until now."""
    mac = xmltree.get(nic, "mac/@address") or ""
    twins = [] if stored is None else stored.findall("devices/interface")
    mine = [one for one in twins if xmltree.get(one, "mac/@address") == mac]
    if not mine:
        return did or nic.find("vlan") is None
    return all(one.find("vlan") is None for one in mine)
