# SPDX-License-Identifier: GPL-3.0-or-later
"""The notes of a move in a VM's metadata, by which the next run knows what a killed one was at.

The first thing that a move does is to note at the source what it is about, and the last to take its
notes away. What it defines at the target has one from the beginning. As with the mark of what the
collection made, a note is of one UUID: on a clone, which has the metadata of its original, it means
nothing.
"""

from __future__ import annotations

from typing import NamedTuple

from ..engine import xmltree
from ..engine.xmltree import Element
from ..kinds.vm.states import MOVES

PLACE = MOVES
PREFIX, TAG = "fleet-move", "move"

# How far what is defined at the target has come: it may still fail, or it has all of the VM.
COMING, ARRIVED = "coming", "arrived"


class Note(NamedTuple):
    """What a definition says of a move that is not over."""

    source: str  # the hosts, as the declaration calls them
    target: str
    mode: str  # live or offline
    progress: str = COMING
    autostart: bool = False


def note_of(tree: Element | None) -> Note | None:
    """The note in a definition; None where there is none, or one of another VM."""
    found = None if tree is None else xmltree.find(tree, PLACE)
    if tree is None or found is None or found.get("uuid") != xmltree.get(tree, "uuid"):
        return None
    return Note(
        found.get("from", ""),
        found.get("to", ""),
        found.get("mode", ""),
        found.get("progress", COMING),
        found.get("autostart") == "yes",
    )


def noted(tree: Element, note: Note) -> Element:
    """The same definition with a note, and with no other."""
    edited = without_note(tree)
    for name, value in _attributes(note, xmltree.get(tree, "uuid") or "").items():
        xmltree.put(edited, f"{PLACE}/@{name}", value)
    return edited


def without_note(tree: Element) -> Element:
    """The same definition without a note."""
    edited = xmltree.clone(tree)
    xmltree.put(edited, f"{PLACE}!/@uuid", None)
    return edited


def element_of(note: Note, uuid: str) -> str:
    """A note as libvirt's call for metadata takes it."""
    element = xmltree.Element(TAG, _attributes(note, uuid))
    return xmltree.serialise(element).strip()


def _attributes(note: Note, uuid: str) -> dict[str, str]:
    return {
        "uuid": uuid,
        "from": note.source,
        "to": note.target,
        "mode": note.mode,
        "progress": note.progress,
        "autostart": "yes" if note.autostart else "no",
    }
