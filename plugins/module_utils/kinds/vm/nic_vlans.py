# SPDX-License-Identifier: GPL-3.0-or-later
"""VLANs of NICs: where libvirt has them. It tells only at a start, so it is told before."""

from __future__ import annotations

from collections.abc import Iterator

from ...engine import vlans, xmltree
from ...engine.errors import FleetError, Mistakes
from ...engine.fields import items_of
from ...engine.world import World
from ...engine.xmltree import Element
from .nic_rows import NICS


def check(domain: Element, before: Element | None, world: World, mistakes: Mistakes) -> None:
    """Collect the NICs with VLANs that cannot be; what is so already is no mistake."""
    there = {} if before is None else items_of(NICS, before)
    for name, nic in items_of(NICS, domain).items():
        if vlans.said(nic) == vlans.Vlans() or _is_so(nic, there.get(name)):
            continue
        mistakes.extend(_wrong(name, nic, world))


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
        if network is not None and vlans.has_no_vlans(network, _group(network, nic), version):
            message = f"the vswitch {vswitch} has no VLANs: {vlans.why_not(version)}"
            yield FleetError(message, field=field)
    elif nic.get("type") == "bridge":
        port = xmltree.get(nic, "virtualport/@type")
        if port != "openvswitch" and version < vlans.ON_LINUX_BRIDGES:
            message = f"a NIC on a bridge has no VLAN: {vlans.why_not(version)}; set vswitch"
            yield FleetError(message, field=field)


def _group(network: Element, nic: Element) -> Element | None:
    name = xmltree.get(nic, "source/@portgroup")
    for group in network.findall("portgroup"):
        if group.get("name") == name if name else group.get("default") == "yes":
            return group
    return None
