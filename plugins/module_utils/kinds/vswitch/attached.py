# SPDX-License-Identifier: GPL-3.0-or-later
"""Which NICs of VMs are on a vswitch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ...engine import xmltree
from ...engine.plan import Have
from ...engine.xmltree import Element
from ..vm.states import PAUSED, RUNNING


@dataclass(frozen=True)
class Nic:
    """A VM's NIC on a vswitch."""

    vm: str
    mac: str
    target: str  # the tap device on the host; "" of a VM that does not run
    running: bool
    by_name: bool  # on the network by its name; else on its bridge by that one's name
    isolated: bool = False  # by libvirt, which it is not on Open vSwitch


def attached(domains: Mapping[str, Have], network: str, bridge: str | None) -> list[Nic]:
    """The NICs on a network, by its name or its bridge's: of what runs, or else what is stored."""
    return [
        nic for _name, have in sorted(domains.items()) for nic in _nics_of(have, network, bridge)
    ]


def _nics_of(have: Have, network: str, bridge: str | None) -> Iterator[Nic]:
    running = have.facts.get("state") in (RUNNING, PAUSED)
    domain = have.live if running else have.stored
    for nic in nics_on(domain, network, bridge) if domain is not None else ():
        yield Nic(
            have.name,
            xmltree.get(nic, "mac/@address") or "",
            (xmltree.get(nic, "target/@dev") if running else None) or "",
            running,
            nic.get("type") == "network",
            xmltree.get(nic, "port/@isolated") == "yes",
        )


def nics_on(domain: Element, network: str, bridge: str | None) -> Iterator[Element]:
    """The interface elements of a domain that are on this network."""
    return (nic for nic in domain.findall("devices/interface") if is_on(nic, network, bridge))


def is_on(nic: Element, network: str, bridge: str | None) -> bool:
    """Whether an interface element is on this network, by its name or its bridge's."""
    source = nic.find("source")
    if source is None:
        return False
    by_name = nic.get("type") == "network" and source.get("network") == network
    return by_name or bool(
        nic.get("type") == "bridge" and bridge and source.get("bridge") == bridge
    )


def port_groups_of(vswitch: Have) -> set[str]:
    """The names of the port groups that a vswitch has, or will have."""
    groups = vswitch.stored.findall("portgroup") if vswitch.stored is not None else ()
    return {name for name in (group.get("name") for group in groups) if name}
