# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes into a VM's metadata where it is at home, and takes that away again."""

from __future__ import annotations

from ..engine import xmltree
from ..host.connection import Host, libvirt, patiently
from .applier_notes import drop_empty
from .evacuation import Noted
from .homes import PREFIX, element_of


def write(host: Host, noted: Noted) -> None:
    """Have a VM say where it is at home, in all definitions that it has, or say nothing of it."""
    with host.errors(f"vm/{noted.name}", "note where it is at home"):
        dom = host.conn.lookupByName(noted.name)
        text = None if noted.home is None else element_of(noted.home, dom.UUIDString())
        stored = libvirt.VIR_DOMAIN_AFFECT_CONFIG if dom.isPersistent() else 0
        running = libvirt.VIR_DOMAIN_AFFECT_LIVE if dom.isActive() else 0
        kind, flags = libvirt.VIR_DOMAIN_METADATA_ELEMENT, stored | running
        patiently(lambda: dom.setMetadata(kind, text, PREFIX, xmltree.HOME_NS, flags))
        if text is None and stored:
            drop_empty(dom)
