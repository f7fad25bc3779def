# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a VM came from that had to leave its host: a note in its metadata, which goes along.

So whoever empties a host need not be who fills it again, and no file of a controller can get lost.
As with other notes, it is of one UUID: on a clone it means nothing.
"""

from __future__ import annotations

from typing import NamedTuple

from ..engine import xmltree
from ..engine.xmltree import Element

PREFIX, TAG = "fleet-home", "home"
PLACE = f"metadata/{PREFIX}:{TAG}"


class Home(NamedTuple):
    """Where a VM is at home, and whether it ran when it had to leave or was shut down."""

    host: str
    ran: bool = True


def home_of(tree: Element | None) -> Home | None:
    """The note in a definition; None where there is none, or one of another VM."""
    found = None if tree is None else xmltree.find(tree, PLACE)
    if tree is None or found is None or found.get("uuid") != xmltree.get(tree, "uuid"):
        return None
    return Home(found.get("host", ""), found.get("ran") != "no")


def element_of(home: Home, uuid: str) -> str:
    """A note as libvirt's call for metadata takes it."""
    said = {"uuid": uuid, "host": home.host, "ran": "yes" if home.ran else "no"}
    return xmltree.serialise(xmltree.Element(TAG, said)).strip()
