# SPDX-License-Identifier: GPL-3.0-or-later
"""A bridge of Open vSwitch with its uplinks, as the host's answer tells of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ....engine.keys import Values
from .options import ACTIVE_BACKUP, BALANCE_SLB, LACP, MTU, NICS, PRIMARY, TEAMING

# Of each way of teaming the mode of a bond, and whether it speaks LACP.
MODES = {
    ACTIVE_BACKUP: ("active-backup", "off"),
    LACP: ("balance-tcp", "active"),
    BALANCE_SLB: ("balance-slb", "off"),
}
FACTS = ("switch", "uplinks", "mtu")


@dataclass(frozen=True)
class Switch:
    """A bridge of Open vSwitch: who it was made for (nobody: others made it), and what is set."""

    owner: str = ""
    nics: tuple[str, ...] = ()
    teaming: str = ""
    primary: str = ""
    mtu: int = 0  # what is asked for; 0 leaves it to Open vSwitch

    @property
    def values(self) -> Values:
        """By the options that a user writes."""
        said = list(self.nics), self.teaming, self.primary, self.mtu
        return dict(zip((NICS, TEAMING, PRIMARY, MTU), said))

    @property
    def facts(self) -> dict[str, Any]:
        """What is known of a vswitch on it, beside libvirt's definition."""
        uplinks = {"nics": list(self.nics), "teaming": self.teaming, "primary": self.primary}
        return {"switch": self.owner, "uplinks": uplinks, "mtu": self.mtu}


def of_facts(facts: Mapping[str, Any]) -> Switch | None:
    """The switch beneath a vswitch, as its facts have it; None where nobody could see one."""
    if "switch" not in facts:
        return None
    uplinks = facts["uplinks"]
    nics = tuple(uplinks["nics"])
    return Switch(facts["switch"], nics, uplinks["teaming"], uplinks["primary"], facts["mtu"])


def of_bridge(seen: Mapping[str, Any], bridge: str) -> Switch | None:
    """A bridge among those that Open vSwitch has; None where it has none of this name."""
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
    return Switch(found["owner"], tuple(sorted(nics)), teaming, primary, mtu)


def _teaming(bond: Mapping[str, Any]) -> str:
    said = bond["mode"] or "active-backup", bond["lacp"] or "off"
    return next((way for way, how in MODES.items() if how == said), f"{said[0]} lacp={said[1]}")


def bridge_of_nic(seen: Mapping[str, Any], nic: str) -> str:
    """The bridge of Open vSwitch that an interface is on; empty where it is on none."""
    for name, bridge in seen.get("bridges", {}).items():
        if any(nic in port["nics"] for port in bridge["ports"].values()):
            return str(name)
    return ""


def others_on(seen: Mapping[str, Any], bridge: str) -> list[str]:
    """The ports of a bridge that are no uplinks of ours."""
    found = seen.get("bridges", {}).get(bridge) or {"ports": {}}
    return sorted(name for name, port in found["ports"].items() if not port["uplink"])
