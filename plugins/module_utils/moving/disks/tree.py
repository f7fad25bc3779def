# SPDX-License-Identifier: GPL-3.0-or-later
"""The definition of a VM whose disk is elsewhere, and what is noted of that for good.

The note is that of what a declaration put a disk onto (kinds/vm/declared.py): a declaration that
still names the old image is told where the disk is by now.
"""

from __future__ import annotations

from ...engine import xmltree
from ...engine.fields import items_of
from ...engine.xmltree import Element
from ...kinds.storage_volume.volumes import disk_source, name_in_pool, pool_of
from ...kinds.vm import declared
from ...kinds.vm.table import DISKS
from ..fate import DiskFate
from ..mapped import put_source
from ..spots import spot_of
from .found import DiskMove
from .note import PLACE, Note


def source_there(move: DiskMove, path: str = "") -> dict[str, str]:
    """The source of the disk there, as the options of a disk."""
    if move.is_live and path.startswith("/dev/"):
        return {"device": path}  # as libvirt has it from then on
    return disk_source(move.pool, move.name_there)


def definition_with(tree: Element, move: DiskMove, fate: DiskFate) -> Element:
    """A copy of a definition, stored or live, with the disk there."""
    edited = xmltree.clone(tree)
    disk = items_of(DISKS, edited).get(move.wanted.disk)
    if disk is not None:
        put_disk(disk, source_there(move, fate.there), fate.format)
    return note_moved(edited, move.wanted.disk, fate.source, fate.there)


def put_disk(disk: Element, source: dict[str, str], form: str) -> None:
    """Put a disk onto another image, in place."""
    for below in (*disk.findall("backingStore"), *disk.findall("mirror")):
        disk.remove(below)
    put_source(disk, source)
    xmltree.ensure(disk, "source").attrib.pop("index", None)
    xmltree.put(disk, "driver/@type", form)


def note_moved(tree: Element, disk: str, source: str, target: str) -> Element:
    """Note in place, for good, from where to where a disk was moved; nothing in VMs of others."""
    xmltree.put(tree, f"{PLACE}!/@uuid", None)
    if declared.takes_notes(tree):
        note = declared.note_at(disk)
        xmltree.put(tree, note, None)
        xmltree.put(tree, f"{note}/@on", target)
        xmltree.put(tree, f"{note}/@from", source)
    return tree


def settled(tree: Element, move: DiskMove, note: Note, form: str) -> Element:
    """The stored definition once the disk is where a note says, with that note for as long as
    anything is left to be done."""
    edited = xmltree.clone(tree)
    disk = items_of(DISKS, edited)[note.disk]
    if spot_of(move.side, disk).named != note.target:
        put_disk(disk, _source_of(move, note), form)
    kept = xmltree.find(edited, PLACE)
    attributes = {} if kept is None else dict(kept.attrib)
    note_moved(edited, note.disk, note.source, note.target)
    for name, value in attributes.items():
        if not name.startswith("xmlns"):
            xmltree.put(edited, f"{PLACE}/@{name}", value)
    return edited


def _source_of(move: DiskMove, note: Note) -> dict[str, str]:
    if move.is_live and note.target.startswith("/dev/"):
        return {"device": note.target}
    return disk_source(move.side.pool(pool_of(note.volume)), name_in_pool(note.volume))
