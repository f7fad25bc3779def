# SPDX-License-Identifier: GPL-3.0-or-later
"""VLANs of single NICs that libvirt cannot have, noted in the metadata of their VM.

libvirt before 11.0 starts no VM with a `<vlan>` on a Linux bridge. So these stand in the metadata,
as the elements that they are elsewhere but for their namespace, each under the name of its NIC, and
libvirt's hook (host/port_vlans.py) reads them there as the VM starts. All else sees them in their
NICs: they are moved on the way from libvirt and to it, as those of port groups are
(vswitch/noted_vlans.py).
"""

from __future__ import annotations

from collections.abc import Callable

from ...engine import xmltree
from ...engine.mark import MARK, drop_notes
from ...engine.vlan_ports import nic_name
from ...engine.xmltext import is_element
from ...engine.xmltree import Element

_PREFIX = "fleet:"
NIC = f"{_PREFIX}nic"
NOTES = f"{MARK}/{NIC}"


def parse(text: str) -> Element:
    """A domain as libvirt tells it, with the VLANs of its NICs in their place."""
    return put_in_place(xmltree.parse(text))


def put_in_place(domain: Element) -> Element:
    """Move the VLANs that a domain notes to its NICs."""
    notes = xmltree.find_all(domain, NOTES)
    noted_of = {one.get("name"): one.find(f"{_PREFIX}vlan") for one in notes}
    for nic in domain.findall("devices/interface") if notes else ():
        vlan = noted_of.get(nic_name(nic))
        if vlan is not None and nic.find("vlan") is None:
            nic.append(_renamed(vlan, lambda tag: tag[len(_PREFIX) :]))
    drop_notes(domain, notes)
    return domain


def noted(domain: Element, is_noted: Callable[[Element], bool]) -> Element:
    """A domain as libvirt takes it, with the VLANs of these NICs in its metadata."""
    told = xmltree.clone(domain)
    for nic in told.findall("devices/interface"):
        vlan = nic.find("vlan")
        if vlan is not None and is_noted(nic):
            nic.remove(vlan)
            xmltree.ensure(told, MARK).append(note_of(nic_name(nic), vlan))
    return told


def note_of(name: str, vlan: Element) -> Element:
    """The note of one NIC."""
    note = Element(NIC, {"name": name})
    note.append(_renamed(vlan, lambda tag: f"{_PREFIX}{tag}"))
    return note


def _renamed(vlan: Element, name_of: Callable[[str], str]) -> Element:
    """All of a note is of our namespace: libvirt makes it so where it is set in a VM that runs."""
    copy = xmltree.clone(vlan)
    for part in filter(is_element, copy.iter()):
        part.tag = name_of(part.tag)
    return copy
