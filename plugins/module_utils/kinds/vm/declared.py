# SPDX-License-Identifier: GPL-3.0-or-later
"""Onto which image a declaration put each disk, noted beside the mark of the collection.

By it a disk that others moved since (virsh blockcopy --pivot, a whole blockpull) is told from one
that is declared anew: what is declared is what was noted, and only the VM is another.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ...engine import xmltree
from ...engine.codecs import Value
from ...engine.keys import ABSENT, UNION, Key, Values
from ...engine.mark import MARK, is_of_another
from ...engine.xmltree import Element
from ..images.chains import image_of
from .table import DISKS


def note_at(disk: str) -> str:
    """The path of the note of a disk, which owns that element."""
    return f"{MARK}/fleet:disk[@name='{disk}']!"


def takes_notes(tree: Element) -> bool:
    """Whether there is a mark in a VM. Those of others are left as they are, to the letter."""
    return xmltree.find(tree, MARK) is not None


def noted(tree: Element, disk: str) -> str:
    """The image that was noted of a disk; empty without one, and in a clone of the VM."""
    return "" if is_of_another(tree) else xmltree.get(tree, f"{note_at(disk)}/@on") or ""


def moved_from(tree: Element, disk: str) -> str:
    """From where kvm.fleet.storage_migration moved a disk to where it is noted to be."""
    return "" if is_of_another(tree) else xmltree.get(tree, f"{note_at(disk)}/@from") or ""


def note(tree: Element, want: Mapping[Key, Value], stored: Values, own: Iterable[str]) -> Element:
    """Note what changes, in place. Of `own` disks, which name no volume, nothing has to be."""
    for key, value in want.items():
        if key[0] != DISKS.name or len(key) != 2:
            continue
        source = want.get((*key, UNION))
        if value is ABSENT or (source and key[1] in own):
            xmltree.put(tree, note_at(key[1]), None)
        elif source and source != stored.get((*key, UNION)):
            xmltree.put(tree, f"{note_at(key[1])}/@from", None)
            xmltree.put(tree, f"{note_at(key[1])}/@on", image_of(source))
    return tree
