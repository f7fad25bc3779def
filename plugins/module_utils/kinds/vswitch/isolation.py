# SPDX-License-Identifier: GPL-3.0-or-later
"""Isolation of the NICs of a port group: the kernel lets no frame go from one isolated port of a
bridge to another (bridge(8)), and libvirt has that in NICs (since 6.1) and in whole networks.

On Open vSwitch it has none: what a port group says there is of ports, see ports.py.
"""

from __future__ import annotations

from ...engine import vlans, xmltree
from ...engine.xmltree import Element
from .noted_vlans import ISOLATION

PATH = "port/@isolated"


def by_group(network: Element, nic: Element) -> str | None:
    """What a NIC is to have by its port group: "yes", empty for none, and None where that has no
    say: it says nothing, is not there, is on Open vSwitch, or the whole network isolates its NICs
    anyway."""
    will = by_name(network, xmltree.get(nic, "source/@portgroup") or "")
    return None if will is None else "yes" if will else ""


def by_name(network: Element, group_name: str) -> bool | None:
    """The same, by the name of a port group (none: that for such)."""
    if vlans.is_on_open_vswitch(network):
        return None
    nic = Element("interface")
    if group_name:
        xmltree.put(nic, "source/@portgroup", group_name)
    group = vlans.group_of(network, nic)
    said = None if group is None else group.get(ISOLATION)
    return None if said is None or xmltree.get(network, PATH) == "yes" else said == "yes"


def without(network: Element) -> Element | None:
    """A network whose port groups isolate no NICs any more; None where none does."""
    after = xmltree.clone(network)
    groups = [one for one in after.findall("portgroup") if one.get(ISOLATION) == "yes"]
    for group in groups:
        group.set(ISOLATION, "no")
    has_a_say = xmltree.get(network, PATH) != "yes" and not vlans.is_on_open_vswitch(network)
    return after if groups and has_a_say else None


def isolation_of(nic: Element) -> str:
    """Whether a NIC is isolated by itself, or by its network where it runs; empty if not."""
    return "yes" if xmltree.get(nic, PATH) == "yes" else ""
