# SPDX-License-Identifier: GPL-3.0-or-later
"""VLANs of single NICs on Linux bridges, on the way to a libvirt that has none there."""

from __future__ import annotations

from typing import Any

from ...engine import vlans, xmltree
from ...engine.host import TEST
from ...engine.mark import MARK
from ...engine.xmltree import Element
from ...host.connection import Host, found, libvirt
from .noted_vlans import NOTES, noted


def as_taken(host: Host, domain: Element) -> Element:
    """A domain as the libvirt of its host takes it."""
    if domain.find("devices/interface/vlan") is None:
        return domain
    return noted(domain, lambda nic: is_noted(host.conn, nic))


def device_as_taken(conn: Any, device: Element) -> Element:
    """A device for a VM that runs; the VLANs of its port are set when it has one."""
    if device.find("vlan") is None or not is_noted(conn, device):
        return device
    plain = xmltree.clone(device)
    xmltree.put(plain, "vlan!", None)
    return plain


def is_noted(conn: Any, nic: Element) -> bool:
    """Whether a NIC with VLANs is where this libvirt has none, and its hook sets them."""
    if conn.getType() == TEST or conn.getLibVersion() >= vlans.ON_LINUX_BRIDGES:
        return False
    if nic.get("type") == "bridge":
        return xmltree.get(nic, "virtualport/@type") is None
    name = xmltree.get(nic, "source/@network") or ""
    network = found(conn.networkLookupByName, name, libvirt.VIR_ERR_NO_NETWORK) if name else None
    if network is None:
        return False
    tree = xmltree.parse(network.XMLDesc(0))
    return vlans.is_on_linux_bridge(tree, vlans.group_of(tree, nic))


# ---- what is noted in a VM that runs, of which its restored or moved self starts


def notes_of(dom: Any) -> list[Element]:
    """The notes of a VM that runs."""
    return xmltree.find_all(xmltree.parse(dom.XMLDesc(0)), NOTES)


def resource_of(dom: Any) -> Element:
    """What is noted of the collection in a VM that runs."""
    found_one = xmltree.find(xmltree.parse(dom.XMLDesc(0)), MARK)
    return Element("fleet:resource") if found_one is None else found_one
