# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts back into a VM what was taken out of it before a move that failed."""

from __future__ import annotations

from ..engine import xmltree
from ..engine.plan import Have
from ..host.connection import Host, libvirt, patiently
from ..kinds.vm.applier_vlans import as_taken
from .departing import to_put_back
from .notes import without_note


def put_back(host: Host, had: Have) -> None:
    """Let a VM have what it had, in both its definitions."""
    with host.errors(f"vm/{had.name}", "put back what was taken out of it"):
        dom = host.conn.lookupByName(had.name)
        stored = xmltree.serialise(as_taken(host, without_note(had.definition)))
        patiently(lambda: host.conn.defineXMLFlags(stored, 0))
        if had.live is None or not dom.isActive():
            return
        runs = xmltree.parse(dom.XMLDesc(libvirt.VIR_DOMAIN_XML_SECURE))
        gone, others = to_put_back(as_taken(host, had.live), runs)
        for device in gone:
            dom.attachDeviceFlags(xmltree.serialise(device), libvirt.VIR_DOMAIN_AFFECT_LIVE)
        for device in others:
            dom.updateDeviceFlags(xmltree.serialise(device), libvirt.VIR_DOMAIN_AFFECT_LIVE)
