# SPDX-License-Identifier: GPL-3.0-or-later
"""What a VM's seed was made of: a note in its metadata, by which the next plan knows it.

So nothing has to be downloaded to compare a seed with a declaration: of what may be a secret there
is a token, the rest as it is. That others wrote to the volume is seen by when it was last written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ....engine import xmltree
from ....engine.codecs import Value
from ....engine.hidden import Sensitive, revealed, token_of
from ....engine.keys import Key, Values
from ....engine.xmltree import Element
from ..seeded import CLOUD_INIT, HIDDEN_PARTS, NOTE, PARTS

PREFIX, TAG = "fleet-seed", "seed"


@dataclass(frozen=True)
class Note:
    """What is known of the seed of a VM."""

    said: Mapping[str, Value]  # of PARTS, those that say anything; of what is hidden tokens
    written: str = ""  # when its volume was last written to; nothing as long as it is only planned
    made_at: str = ""  # the number of the VM as it ran when it was made; nothing where it was off
    # That no instance-id is given twice: the last one, of a VM that has no seed any more, and how
    # many were made from others.
    last_id: str = ""
    count: int = 0

    @property
    def volume(self) -> str:
        """The volume in the drive, as POOL/NAME; empty once it is detached."""
        return str(self.said.get("volume", ""))

    @property
    def former(self) -> list[str]:
        """Volumes, POOL/NAME, that were in the drive and are yet to go."""
        return [*self.said.get("former", ())]


def note_of(tree: Element | None) -> Note | None:
    """The note of a seed in a definition; None where there is none, or one of another VM."""
    note = noted_in(tree)
    return note if note is not None and note.said else None


def noted_in(tree: Element | None) -> Note | None:
    """The note in a definition, be it only that the VM had a seed."""
    found = None if tree is None else xmltree.find(tree, NOTE)
    if tree is None or found is None or found.get("uuid") != xmltree.get(tree, "uuid"):
        return None
    return _read(found.text or "")


def copied_note_of(tree: Element | None) -> tuple[str, Note] | None:
    """The UUID of another VM and its note, where a definition is a copy of that one's."""
    found = None if tree is None else xmltree.find(tree, NOTE)
    if tree is None or found is None or found.get("uuid") == xmltree.get(tree, "uuid"):
        return None
    note = _read(found.text or "")
    return None if note is None else (found.get("uuid") or "", note)


def _read(text: str) -> Note | None:
    try:
        told = json.loads(text)
        said = {part: _checked(part, told["said"][part]) for part in PARTS if part in told["said"]}
        ids = str(told.get("last_id", "")), int(told.get("count", 0))
        return Note(said, str(told["written"]), str(told["made_at"]), *ids)
    except (ValueError, TypeError, KeyError):
        return None  # somebody else's doing


def _checked(part: str, value: Any) -> Value:
    """A value of the note. TypeError for what we would not have written."""
    if not isinstance(value, {"nics": dict, "ssh_keys": list, "former": list}.get(part, str)):
        raise TypeError(part)
    return value


def values_in(tree: Element) -> Values:
    """What the note of a definition says, as values of options."""
    note = note_of(tree)
    if note is None:
        return {}
    return {(CLOUD_INIT, part): _shown(part, value) for part, value in note.said.items()}


def _shown(part: str, value: Value) -> Value:
    return Sensitive(value) if part in HIDDEN_PARTS else value


def put(tree: Element, note: Note | None) -> None:
    """Put a note into a definition; one that says nothing, or None, takes it away."""
    if note is None or not (note.said or note.last_id):
        xmltree.put(tree, f"{NOTE}!", None)
        return
    element = xmltree.ensure(tree, NOTE)
    element.set("uuid", xmltree.get(tree, "uuid") or "")
    element.text = _text_of(note)


def element_of(note: Note, uuid: str) -> str | None:
    """A note as libvirt's call for metadata takes it; None takes it away."""
    if not (note.said or note.last_id):
        return None
    element = xmltree.Element(TAG, {"uuid": uuid})
    element.text = _text_of(note)
    return xmltree.serialise(element).strip()


def said_of(values: Mapping[Key, Value], salt: str) -> dict[str, Value]:
    """Values as they are noted."""
    said: dict[str, Any] = {}
    for part in PARTS:
        value = values.get((CLOUD_INIT, part))
        if value:
            said[part] = token_of(revealed(value), salt) if part in HIDDEN_PARTS else value
    return said


def _text_of(note: Note) -> str:
    told: dict[str, Any] = {"said": dict(note.said)}
    told.update({"written": note.written, "made_at": note.made_at})
    told.update({"last_id": note.last_id} if note.last_id else {})
    told.update({"count": note.count} if note.count else {})
    return json.dumps(told, sort_keys=True)
