# SPDX-License-Identifier: GPL-3.0-or-later
"""The note of a disk that is being moved, in its VM's metadata, by which the next run knows it.

It is there from before the new volume is made until nothing is left to be done, and goes last. As
other notes it is of one UUID: on a clone it means nothing.
"""

from __future__ import annotations

from typing import NamedTuple

from ...engine import xmltree
from ...engine.xmltree import Element

PREFIX, TAG = "fleet-disk", "move"
PLACE = f"metadata/{PREFIX}:{TAG}"


class Note(NamedTuple):
    """What a definition says of the move of a disk that is not over."""

    disk: str
    source: str  # the path of its image before
    target: str  # and of the one that it goes to
    volume: str  # POOL/NAME of that one
    old: str = ""  # POOL/NAME of the one before, where that is in a pool
    made: bool = True  # whether the new volume was made for this, and is nobody's else


def note_of(tree: Element | None) -> Note | None:
    """The note in a definition; None where there is none, or one of another VM."""
    found = None if tree is None else xmltree.find(tree, PLACE)
    if tree is None or found is None or found.get("uuid") != xmltree.get(tree, "uuid"):
        return None
    return Note(
        found.get("disk", ""),
        found.get("from", ""),
        found.get("to", ""),
        found.get("volume", ""),
        found.get("old", ""),
        found.get("made") == "yes",
    )


def element_of(note: Note, uuid: str) -> str:
    """A note as libvirt's call for metadata takes it."""
    said = {
        "uuid": uuid,
        "disk": note.disk,
        "from": note.source,
        "to": note.target,
        "volume": note.volume,
        "old": note.old,
        "made": "yes" if note.made else "no",
    }
    return xmltree.serialise(xmltree.Element(TAG, said)).strip()
