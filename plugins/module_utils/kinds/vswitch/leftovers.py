# SPDX-License-Identifier: GPL-3.0-or-later
"""What a start or stop of a network left that its libvirtd did not outlive: found.

libvirt notes what runs in a status file: as the last step of a start, and it removes that as the
first step of a stop. When it is killed in between, it takes the network for inactive, while its
bridge, its dnsmasq (radvd, before libvirt 8) and its firewall rules are there. Then it refuses to
start the network, for ever: "already in use by interface", "Address already in use".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ...engine import xmltree
from ...engine.host import HostFacts
from ...engine.xmltree import Element


@dataclass(frozen=True)
class Left:
    """What was left of one network: its bridge, and its daemons as (program, process)."""

    bridge: str = ""
    daemons: tuple[tuple[str, int], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.bridge or self.daemons)

    def __str__(self) -> str:
        programs = dict.fromkeys(program for program, _process in self.daemons)
        return " and ".join([*([f"bridge {self.bridge}"] if self.bridge else []), *programs])


def find(
    host: HostFacts, network: Element, taps: Callable[[], set[str]], thoroughly: bool = True
) -> Left:
    """What was left of a network that does not run. `taps` are those of VMs that are on it.

    Without `thoroughly` a daemon alone is found by the file with its process only, not among all
    processes: quick enough for networks that are to stay inactive.
    """
    name, bridge = xmltree.get(network, "name") or "", xmltree.get(network, "bridge/@name") or ""
    mac = xmltree.get(network, "mac/@address") or ""
    left = bridge if bridge and mac and _is_left(host, bridge, mac, taps) else ""
    daemons = host.network_daemons if thoroughly or left else host.noted_daemons(name)
    return Left(left, tuple((one.program, one.process) for one in daemons if one.network == name))


def _is_left(host: HostFacts, bridge: str, mac: str, taps: Callable[[], set[str]]) -> bool:
    """Whether it is the network's: with its own MAC, and with nothing but its VMs on it."""
    found = host.interfaces.get(bridge)
    if found is None or not found.is_bridge or found.address != mac:
        return False
    ports = {name for name, one in host.interfaces.items() if one.master == bridge}
    return not ports or ports <= taps()
