# SPDX-License-Identifier: GPL-3.0-or-later
"""VLANs of NICs: where libvirt has them, which it tells only at a start; and those of running NICs.

On Open vSwitch the port counts, and not what libvirt remembers of it: VLANs are set there while it
runs. So it is on bridges of Linux where libvirt has no VLANs, and its hook sets them. A NIC that
says nothing itself follows its port group, which is the vswitch's to watch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ...engine import vlan_ports, vlans, xmltree
from ...engine.errors import FleetError, Mistakes
from ...engine.fields import items_of
from ...engine.host import TEST, HostFacts
from ...engine.keys import Values
from ...engine.plan import Have
from ...engine.vlan_ports import Port
from ...engine.world import World
from ...engine.xmltree import Element
from .nic_rows import NICS

if TYPE_CHECKING:
    from .port_groups import NetworkOf


def settle(want: Values, stored: Values) -> None:
    """Add what follows from the VLANs that are wanted: a NIC is in one or on a trunk."""
    for nic in [key for key in want if len(key) == 2 and key[0] == NICS.name]:
        want.update(vlans.settled(want, stored, nic))


def check(domain: Element, before: Element | None, world: World, mistakes: Mistakes) -> None:
    """Collect the NICs with VLANs that cannot be; what is so already is no mistake."""
    there = {} if before is None else items_of(NICS, before)
    for name, nic in items_of(NICS, domain).items():
        if _is_so(nic, there.get(name)):
            continue
        if vlans.said(nic) != vlans.Vlans():
            mistakes.extend(_wrong(name, nic, world))
        else:
            mistakes.extend(_of_group(name, nic, world))


def _is_so(nic: Element, was: Element | None) -> bool:
    same = was is not None and vlans.said(was) == vlans.said(nic)
    return same and _place(was) == _place(nic)


def _place(nic: Element | None) -> list[str | None]:
    paths = ("@type", "source/@network", "source/@bridge", "source/@portgroup")
    return [None if nic is None else xmltree.get(nic, path) for path in paths]


def _wrong(name: str, nic: Element, world: World) -> Iterator[FleetError]:
    said, host = vlans.said(nic), world.host
    option = vlans.VLAN if said.access else vlans.TRUNK
    field = f"{NICS.name}.{name}.{option}"
    if nic.get("type") == "network":
        vswitch = xmltree.get(nic, "source/@network") or ""
        network = world.will_be("vswitch", vswitch).stored
        group = None if network is None else vlans.group_of(network, nic)
        if network is not None and vlans.has_no_vlans(network, group):
            yield FleetError(f"the vswitch {vswitch} has no VLANs: {vlans.WHERE}", field=field)
        elif network is not None and vlans.by_hook(network, group, host.libvirt_version):
            why = _why_none_of_its_own(xmltree.get(network, "bridge/@name") or "", host)
            yield from [FleetError(why, field=field)] if why else []
    elif nic.get("type") == "bridge" and xmltree.get(nic, "virtualport/@type") is None:
        is_by_hook = host.libvirt_version < vlans.ON_LINUX_BRIDGES
        bridge = xmltree.get(nic, "source/@bridge") or ""
        why = _why_none_of_its_own(bridge, host) if is_by_hook else ""
        yield from [FleetError(why, field=field)] if why else []


def _why_none_of_its_own(bridge: str, host: HostFacts) -> str:
    """Why libvirt's hook would not give a NIC VLANs of its own on a bridge; empty where it does."""
    from ..vswitch.tagging import why_not_of_nics

    if host.driver == TEST:
        return ""
    return why_not_of_nics(host) or why_unfiltered(bridge, host)


def why_unfiltered(bridge: str, host: HostFacts) -> str:
    """Why a bridge of this machine heeds no VLANs; empty of one that is not there yet."""
    link = host.linux_bridges.get("links", {}).get(bridge)
    if link is None or link["filtering"]:
        return ""
    return (
        f"{bridge} does not filter VLANs; have the host's network manager turn that on "
        f"(ip link set {bridge} type bridge vlan_filtering 1)"
    )


def _of_group(name: str, nic: Element, world: World) -> Iterator[FleetError]:
    """A port group whose VLANs nobody would set when the NIC comes to it, nor isolate it."""
    vswitch = xmltree.get(nic, "source/@network") or ""
    network = world.will_be("vswitch", vswitch).stored if nic.get("type") == "network" else None
    group = None if network is None else vlans.group_of(network, nic)
    if network is None or group is None or world.host.driver == TEST:
        return
    from ..vswitch.tagging import why_no_hook, why_not_isolated

    field, said = f"nics.{name}.port_group", group.get("name")
    why = why_no_hook(network, group, world.host) if group.find("vlan") is not None else ""
    if why:
        yield FleetError(f"{said} has VLANs: {why}", field=field)
    if why := why_not_isolated(network, group, world.host):
        yield FleetError(f"{said} is isolated: {why}", field=field)


# ---- what runs

# The ports of bridges of Linux on which libvirt has no VLANs, or else those of Open vSwitch, each
# as that one's database has it.
Ports = Callable[[bool], Mapping[str, Any]]


def no_ports(_of_linux: bool) -> Mapping[str, Any]:
    """Of a host whose ports nobody sees."""
    return {}


def ports_on(host: HostFacts, of_linux: bool) -> Mapping[str, Any]:
    """The ports of this machine; on bridges of Linux where libvirt sets their VLANs none."""
    if not of_linux:
        return dict(host.open_vswitch["ports"])
    if host.driver == TEST or host.libvirt_version >= vlans.ON_LINUX_BRIDGES:
        return {}
    found = host.linux_bridges
    links, vlans_of = found.get("links", {}), found.get("vlans", {})
    bridges = {name for name, one in links.items() if one["filtering"]}
    return {
        name: vlan_ports.port_of_ranges(vlans_of.get(name, ()))
        for name, one in links.items()
        if one["master"] in bridges
    }


def seen(values: Values, have: Have, stored: Values, network_of: NetworkOf, ports: Ports) -> Values:
    """The values of what runs, without what NICs have of their port groups, and with the VLANs that
    their ports have. Of the ports nobody asks where no NIC says VLANs."""
    from .port_groups import see_through

    running = have.running
    told = see_through(values, running, stored, network_of)
    if all(one.find("devices/interface/vlan") is None for one in (running, have.definition)):
        return told
    return see_ports(told, running, stored, network_of, ports)


def port_seen(nic: Element, network_of: NetworkOf, ports: Ports) -> Port | None:
    """The port of a NIC that runs, where it can be seen from here and VLANs can be set on it."""
    name, tap = xmltree.get(nic, "source/@network"), xmltree.get(nic, "target/@dev")
    network = network_of(name) if name else None
    if network is None:
        return None
    of_linux = vlans.is_on_linux_bridge(network, vlans.group_of(network, nic))
    if not of_linux and not vlans.is_on_open_vswitch(network):
        return None
    found = ports(of_linux).get(tap or "")
    return None if found is None else vlans.port_as_told(found)


def see_ports(
    values: Values, live: Element, stored: Values, network_of: NetworkOf, ports: Ports
) -> Values:
    """The values of what runs, with the VLANs that ports have."""
    seen = dict(values)
    for name, nic in items_of(NICS, live).items():
        at = (NICS.name, name)
        port = port_seen(nic, network_of, ports) if at in stored else None
        if port is None:
            continue
        own: Values = {(option,): stored[(*at, option)] for option in vlans.NAMES}
        if any(own.values()):
            own = vlans.values_of_port(port)
        seen.update({(*at, *option): value for option, value in own.items()})
    return seen
