# SPDX-License-Identifier: GPL-3.0-or-later
"""The ports of running NICs on Open vSwitch: which VLANs they have, and which they are to have.

libvirt sets the VLANs of a port when it makes it, and refuses to change them (qemuDomainChangeNet).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ...engine import vlans, xmltree
from ...engine.mark import MARK
from ...engine.plan import Have
from ...engine.vlans import Port
from ...engine.xmltree import Element
from ..vm.states import PAUSED, RUNNING
from .attached import nics_on

OPENVSWITCH, LINUX_BRIDGE = "openvswitch", "linux_bridge"


class Astray(NamedTuple):
    """A port whose VLANs are not those of its port group."""

    vm: str
    mac: str
    tap: str
    now: Port
    will: Port

    def __str__(self) -> str:
        return f"{self.vm} ({self.mac})"


def is_open_vswitch(network: Element | None) -> bool:
    """Whether a network is on Open vSwitch."""
    return network is not None and xmltree.get(network, "virtualport/@type") == OPENVSWITCH


def is_linux_bridge(network: Element | None) -> bool:
    """Whether a network is on a bridge of Linux that is kept here."""
    if network is None or xmltree.get(network, "forward/@mode") != "bridge":
        return False
    return xmltree.get(network, f"{MARK}/@switch") == LINUX_BRIDGE


def port_of(network: Element, group: str | None, nic: Element | None = None) -> Port:
    """What the port of a NIC is to be: by what it says itself, its port group, or the network."""
    of_group = next((one for one in network.findall("portgroup") if _is(one, group)), None)
    places = (one for one in (nic, of_group, network) if one is not None)
    return next((vlans.port_in(one) for one in places if one.find("vlan") is not None), vlans.NONE)


def _is(group: Element, name: str | None) -> bool:
    return group.get("name") == name if name else group.get("default") == "yes"


def astray(
    name: str, network: Element, domains: Mapping[str, Have], ports: Mapping[str, Any]
) -> Iterator[Astray]:
    """The ports that have not what the port groups of a network say, of NICs that follow those."""
    for vm, have in sorted(domains.items()):
        if have.live is None or have.facts.get("state") not in (RUNNING, PAUSED):
            continue
        for nic in nics_on(have.live, name, None):
            tap = xmltree.get(nic, "target/@dev") or ""
            mac = xmltree.get(nic, "mac/@address") or ""
            if tap not in ports or not _follows(mac, have.stored):
                continue
            now = vlans.port_as_told(ports[tap])
            will = port_of(network, xmltree.get(nic, "source/@portgroup"))
            if now != will:
                yield Astray(vm, mac, tap, now, will)


def _follows(mac: str, stored: Element | None) -> bool:
    """Whether a NIC that runs has nothing of its own to say, as it is stored."""
    twins = [] if stored is None else stored.findall("devices/interface")
    mine = [one for one in twins if xmltree.get(one, "mac/@address") == mac]
    return bool(mine) and all(one.find("vlan") is None for one in mine)
