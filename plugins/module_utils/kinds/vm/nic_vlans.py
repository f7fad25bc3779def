# SPDX-License-Identifier: GPL-3.0-or-later
"""VLANs of NICs: where libvirt has them, which it tells only at a start; and those of running NICs.

On Open vSwitch the port counts, and not what libvirt remembers of it: VLANs are set there while it
runs. A NIC that says nothing itself follows its port group, which is the vswitch's to watch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ...engine import vlans, xmltree
from ...engine.errors import FleetError, Mistakes
from ...engine.fields import items_of
from ...engine.host import TEST
from ...engine.keys import Values
from ...engine.plan import Have
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
    said, version = vlans.said(nic), world.host.libvirt_version
    option = vlans.VLAN if said.access else vlans.TRUNK
    field = f"{NICS.name}.{name}.{option}"
    if nic.get("type") == "network":
        vswitch = xmltree.get(nic, "source/@network") or ""
        network = world.will_be("vswitch", vswitch).stored
        group = None if network is None else _group(network, nic)
        if network is not None and vlans.has_no_vlans(network, group):
            yield FleetError(f"the vswitch {vswitch} has no VLANs: {vlans.WHERE}", field=field)
        elif network is not None and vlans.by_hook(network, group, version):
            yield FleetError(_why_none_of_its_own(version), field=field)
    elif nic.get("type") == "bridge":
        port = xmltree.get(nic, "virtualport/@type")
        if port != "openvswitch" and version < vlans.ON_LINUX_BRIDGES:
            yield FleetError(_why_none_of_its_own(version), field=field)


def _why_none_of_its_own(version: int) -> str:
    return (
        f"{vlans.named_version(version)} has no VLANs of single NICs on Linux bridges (11.0 has); "
        "name a port group of a vswitch that has them"
    )


def _of_group(name: str, nic: Element, world: World) -> Iterator[FleetError]:
    """A port group whose VLANs nobody would set when the NIC comes to it."""
    vswitch = xmltree.get(nic, "source/@network") or ""
    network = world.will_be("vswitch", vswitch).stored if nic.get("type") == "network" else None
    group = None if network is None else _group(network, nic)
    if network is None or group is None or group.find("vlan") is None or world.host.driver == TEST:
        return
    from ..vswitch.tagging import why_no_hook

    why = why_no_hook(network, group, world.host)
    if why:
        yield FleetError(f"{group.get('name')} has VLANs: {why}", field=f"nics.{name}.port_group")


def _group(network: Element, nic: Element) -> Element | None:
    name = xmltree.get(nic, "source/@portgroup")
    for group in network.findall("portgroup"):
        if group.get("name") == name if name else group.get("default") == "yes":
            return group
    return None


# ---- what runs

Ports = Callable[[], Mapping[str, Any]]


def seen(values: Values, have: Have, stored: Values, network_of: NetworkOf, ports: Ports) -> Values:
    """The values of what runs, without what NICs have of their port groups, and with the VLANs that
    their ports have. Of the ports nobody asks where no NIC says VLANs."""
    from .port_groups import see_through

    running = have.running
    told = see_through(values, running, stored, network_of)
    if all(one.find("devices/interface/vlan") is None for one in (running, have.definition)):
        return told
    return see_ports(told, running, stored, network_of, ports)


def on_open_vswitch(nic: Element, network_of: NetworkOf, ports: Ports) -> bool:
    """Whether a NIC that runs has a port of Open vSwitch that can be seen from here."""
    from ..vswitch.ports import is_open_vswitch

    network, tap = xmltree.get(nic, "source/@network"), xmltree.get(nic, "target/@dev")
    return bool(network and is_open_vswitch(network_of(network)) and tap in ports())


def see_ports(
    values: Values, live: Element, stored: Values, network_of: NetworkOf, ports: Ports
) -> Values:
    """The values of what runs, with the VLANs that ports of Open vSwitch have."""
    seen = dict(values)
    for name, nic in items_of(NICS, live).items():
        at = (NICS.name, name)
        if at not in stored or not on_open_vswitch(nic, network_of, ports):
            continue
        own: Values = {(option,): stored[(*at, option)] for option in vlans.NAMES}
        if any(own.values()):
            tap = xmltree.get(nic, "target/@dev") or ""
            own = vlans.values_of_port(vlans.port_as_told(ports()[tap]))
        seen.update({(*at, *option): value for option, value in own.items()})
    return seen
