# SPDX-License-Identifier: GPL-3.0-or-later
"""VLANs of port groups that libvirt cannot have, noted in the metadata of their network.

libvirt before 11.0 defines no network on a Linux bridge with a `<vlan>`, and drops what it does not
know of a port group; it keeps the metadata of the network. So they stand there, as the elements
that they are elsewhere, and libvirt's hook (host/port_vlans.py) reads them as VMs start. All else
sees them in their port groups: they are moved on the way from libvirt and to it.
"""

from __future__ import annotations

from ...engine import vlans, xmltree
from ...engine.mark import MARK
from ...engine.xmltree import Element

GROUP = "fleet:portgroup"
_NOTES = f"{MARK}/{GROUP}"


def put_in_place(network: Element, noting: Element) -> None:
    """Move VLANs that a network notes to its port groups. What runs is as what is stored says,
    `noting`, since the hook goes by that."""
    noted = {one.get("name"): one.find("vlan") for one in xmltree.find_all(noting, _NOTES)}
    for group in network.findall("portgroup") if noted else ():
        vlan = noted.get(group.get("name"))
        if vlan is not None and group.find("vlan") is None:
            group.append(xmltree.clone(vlan))
    for note in xmltree.find_all(network, _NOTES):
        xmltree.remove(network, note)


def noted(network: Element) -> Element:
    """A network as libvirt takes it that has no VLANs on Linux bridges."""
    told = xmltree.clone(network)
    for group in told.findall("portgroup"):
        vlan = group.find("vlan") if vlans.is_on_linux_bridge(told, group) else None
        if vlan is not None:
            group.remove(vlan)
            mark = xmltree.ensure(told, MARK)
            xmltree.child_of(mark, GROUP, {"name": group.get("name", "")}).append(vlan)
    return told
