# SPDX-License-Identifier: GPL-3.0-or-later
"""A bridge with its uplinks, as the host's answer tells of it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from ....engine.keys import Values
from . import overlay
from .host_ports import HostPort, noted, port_of
from .options import (
    ACTIVE_BACKUP,
    BACKEND,
    BALANCE_SLB,
    BALANCE_XOR,
    LACP,
    MTU,
    NICS,
    PRIMARY,
    TEAMING,
    VLANS,
)
from .overlay import Overlay, overlay_of

# Of each way of teaming the mode of a bond of Open vSwitch, and whether it speaks LACP.
MODES = {
    ACTIVE_BACKUP: ("active-backup", "off"),
    LACP: ("balance-tcp", "active"),
    BALANCE_SLB: ("balance-slb", "off"),
}
# Those of a bond of Linux, whose driver speaks LACP in a mode of its own.
MODES_OF_LINUX = {
    ACTIVE_BACKUP: ("active-backup", "off"),
    LACP: ("802.3ad", "off"),
    BALANCE_XOR: ("balance-xor", "off"),
}
_WAYS = {how: way for modes in (MODES, MODES_OF_LINUX) for way, how in modes.items()}
FACTS = ("switch", "uplinks", "mtu", "backend", "host_ports", "overlay")


@dataclass(frozen=True)
class Switch:
    """A bridge: who it was made for (nobody: others made it), what is set, and who keeps it."""

    owner: str = ""
    nics: tuple[str, ...] = ()
    teaming: str = ""
    primary: str = ""
    mtu: int = 0  # what is asked for; 0 leaves it to Open vSwitch or the kernel
    backend: str = ""  # empty of Open vSwitch, which keeps its bridges itself
    host_ports: tuple[HostPort, ...] = ()
    overlay: Overlay | None = None
    vlans: tuple[str, ...] = ()  # what uplinks carry, as ranges; nothing is all

    @property
    def values(self) -> Values:
        """By the options that a user writes, without host ports, which are things in a list."""
        return {
            NICS: list(self.nics),
            TEAMING: self.teaming,
            PRIMARY: self.primary,
            VLANS: list(self.vlans),
            MTU: self.mtu,
            BACKEND: self.backend,
            **overlay.values_of(self.overlay),
        }

    @property
    def facts(self) -> dict[str, Any]:
        """What is known of a vswitch on it, beside libvirt's definition."""
        vlans = {"vlans": list(self.vlans)} if self.vlans else {}
        ways = {"teaming": self.teaming, "primary": self.primary}
        uplinks = {"nics": list(self.nics), **ways, **vlans}
        kept = {"backend": self.backend} if self.backend else {}
        ports = {"host_ports": [port.said for port in self.host_ports]} if self.host_ports else {}
        tunnels = {"overlay": self.overlay.said} if self.overlay else {}
        said = {"switch": self.owner, "uplinks": uplinks, "mtu": self.mtu}
        return {**said, **kept, **ports, **tunnels}


def of_facts(facts: Mapping[str, Any]) -> Switch | None:
    """The switch beneath a vswitch, as its facts have it; None where nobody could see one."""
    if "switch" not in facts:
        return None
    uplinks = facts["uplinks"]
    nics = tuple(uplinks["nics"])
    teaming, primary = uplinks["teaming"], uplinks["primary"]
    kept, ports = facts.get("backend", ""), tuple(map(port_of, facts.get("host_ports", ())))
    of = nics, teaming, primary, facts["mtu"], kept, ports, overlay_of(facts.get("overlay"))
    return Switch(facts["switch"], *of, tuple(uplinks.get("vlans", ())))


def of_bridge(seen: Mapping[str, Any], bridge: str) -> Switch | None:
    """A bridge among those that there are; None where there is none of this name."""
    found = seen.get("bridges", {}).get(bridge)
    if found is None:
        return None
    uplinks = [port for port in found["ports"].values() if port["uplink"]]
    nics = {name: mtu for port in uplinks for name, mtu in port["nics"].items()}
    bonds = [port for port in uplinks if len(port["nics"]) > 1]
    teaming = _teaming(bonds[0]) if bonds else ""
    primary = bonds[0]["primary"] if teaming == ACTIVE_BACKUP else ""
    # The least that is asked for: one uplink without it holds up the others.
    mtu = min([found["mtu"], *nics.values()])
    kept, ports = found.get("backend", ""), noted(found.get("host_ports", {}))
    tunnels = overlay.noted(found.get("overlay", ""))
    of = tuple(sorted(nics)), teaming, primary, mtu, kept, ports, tunnels
    return Switch(found["owner"], *of, tuple(found.get("vlans", ())))


def _teaming(bond: Mapping[str, Any]) -> str:
    said = bond["mode"] or "active-backup", bond["lacp"] or "off"
    return _WAYS.get(said, f"{said[0]} lacp={said[1]}")


def bridge_of_nic(seen: Mapping[str, Any], nic: str) -> str:
    """The bridge that an interface is on; empty where it is on none."""
    for name, bridge in seen.get("bridges", {}).items():
        if any(nic in port["nics"] for port in bridge["ports"].values()):
            return str(name)
    return ""


def bond_of_others(
    seen: Mapping[str, Any], bridge: str, nics: Collection[str]
) -> tuple[list[str], str, str]:
    """A bond that others made of some of these interfaces: all that are in it, its teaming and its
    primary."""
    found = seen.get("bridges", {}).get(bridge) or {"ports": {}}
    for one in found["ports"].values():
        if not one["uplink"] and len(one["nics"]) > 1 and {*nics} & {*one["nics"]}:
            return sorted(one["nics"]), _teaming(one), one["primary"]
    return [], "", ""


def others_on(seen: Mapping[str, Any], bridge: str) -> list[str]:
    """The ports of a bridge that are no uplinks of ours."""
    found = seen.get("bridges", {}).get(bridge) or {"ports": {}}
    return sorted(name for name, port in found["ports"].items() if not port["uplink"])
