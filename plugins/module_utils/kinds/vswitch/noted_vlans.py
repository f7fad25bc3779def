# SPDX-License-Identifier: GPL-3.0-or-later
"""What is declared of port groups and libvirt cannot have, noted in the metadata of their network.

libvirt before 11.0 defines no network on a Linux bridge with a `<vlan>`, and drops what it does not
know of a port group; it keeps the metadata of the network. So VLANs stand there, as the elements
that they are elsewhere, and libvirt's hook (host/port_vlans.py) reads them as VMs start. So does
what no libvirt knows of a port group, its security and isolation: attributes of the group, to all
else. All else sees them in their port groups: they are moved on the way from libvirt and to it.
"""

from __future__ import annotations

from ...engine import vlans, xmltree
from ...engine.mark import MARK, drop_notes
from ...engine.xmltree import Element

SECURITY, ISOLATION = "security", "isolated"
FOLLOWED = (SECURITY, ISOLATION)  # by NICs, in whose definitions it stands
GROUP = "fleet:portgroup"
_NOTES = f"{MARK}/{GROUP}"


def put_in_place(network: Element, noting: Element) -> None:
    """Move what a network notes to its port groups. What runs is as what is stored says,
    `noting`, since the hook goes by that, and so do the NICs."""
    noted = {one.get("name"): one for one in xmltree.find_all(noting, _NOTES)}
    for group in network.findall("portgroup") if noted else ():
        note = noted.get(group.get("name"))
        if note is not None:
            _put(group, note)
    drop_notes(network, xmltree.find_all(network, _NOTES))


def _put(group: Element, note: Element) -> None:
    vlan = note.find("vlan")
    if vlan is not None and group.find("vlan") is None:
        group.append(xmltree.clone(vlan))
    for name in FOLLOWED:
        said = note.get(name)
        if said:
            group.set(name, said)


def noted(network: Element, has_vlans: bool) -> Element:
    """A network as libvirt takes it, which may have no VLANs on Linux bridges."""
    told = xmltree.clone(network)
    for group in told.findall("portgroup"):
        said = {name: group.attrib.pop(name) for name in FOLLOWED if name in group.attrib}
        vlan = group.find("vlan")
        if has_vlans or vlan is None or not vlans.is_on_linux_bridge(told, group):
            vlan = None
        if not said and vlan is None:
            continue
        mark = xmltree.ensure(told, MARK)
        note = xmltree.child_of(mark, GROUP, {"name": group.get("name", ""), **said})
        if vlan is not None:
            group.remove(vlan)
            note.append(vlan)
    return told
