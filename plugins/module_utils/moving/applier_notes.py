# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the notes of a move into what libvirt has stored, and takes them away."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from ..engine import xmltree
from ..host.connection import libvirt, patiently
from .notes import PREFIX, Note, element_of


def write(dom: Any, note: Note) -> None:
    """Note in a stored definition what a move is about. A VM that is not stored has no note."""
    if dom.isPersistent():
        _set(dom, element_of(note, dom.UUIDString()), libvirt.VIR_DOMAIN_AFFECT_CONFIG)


def take_away(dom: Any) -> None:
    """Take the note from all definitions of a VM."""
    stored = libvirt.VIR_DOMAIN_AFFECT_CONFIG if dom.isPersistent() else 0
    running = libvirt.VIR_DOMAIN_AFFECT_LIVE if dom.isActive() else 0
    _set(dom, None, stored | running)
    if stored:
        drop_empty(dom)


def drop_empty(dom: Any) -> None:
    """Take away what libvirt leaves of metadata of which nothing is left, `<metadata/>`.

    In what runs it stays, for nobody can take it from there.
    """
    flags = libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE
    tree = xmltree.parse(dom.XMLDesc(flags))
    metadata = tree.find("metadata")
    if metadata is not None and not len(metadata):
        tree.remove(metadata)
        with suppress(libvirt.libvirtError):  # it means nothing, and is no reason to fail
            patiently(lambda: dom.connect().defineXMLFlags(xmltree.serialise(tree), 0))


def _set(dom: Any, text: str | None, flags: int) -> None:
    kind = libvirt.VIR_DOMAIN_METADATA_ELEMENT
    patiently(lambda: dom.setMetadata(kind, text, PREFIX, xmltree.MOVE_NS, flags))
