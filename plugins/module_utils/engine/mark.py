# SPDX-License-Identifier: GPL-3.0-or-later
"""The mark on what the collection makes, in the metadata of its definition.

Programs that clone (virt-clone, Cockpit, an editor) copy the metadata with all the rest. So the
mark says for which UUID it is, and on any other it means nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from . import xmltree
from .codecs import text
from .xmltree import Element

MARK = "metadata/fleet:resource"
SCOPE_PATH = f"{MARK}/@scope"
SCOPE = text(r"[A-Za-z0-9][A-Za-z0-9_.-]*", "a name of letters, digits, -, _ and .")
# Of which group a VM is. As the mark it says for which UUID, also where there is no mark.
GROUP = f"{MARK}/fleet:group!"
# That a VM is a template, noted in the same way: a copy by another program is none.
TEMPLATE = f"{MARK}/fleet:template!"


def put_mark(tree: Element) -> None:
    """Mark a new definition as made here."""
    xmltree.put(tree, f"{MARK}/@managed", "yes")
    xmltree.put(tree, f"{MARK}/@uuid", xmltree.get(tree, "uuid"))


def is_made_here(tree: Element, derived_uuid: str) -> bool:
    """Whether the collection made this very resource.

    A mark that names no UUID counts where the resource has the one which its name gives.
    """
    marked = xmltree.get(tree, f"{MARK}/@managed") == "yes"
    of = xmltree.get(tree, f"{MARK}/@uuid") or derived_uuid
    return marked and of == xmltree.get(tree, "uuid")


def group_of(tree: Element) -> str:
    """The group that a definition is noted to be of; empty without one, and in a clone."""
    of = xmltree.get(tree, f"{GROUP}/@uuid")
    return (xmltree.get(tree, f"{GROUP}/@name") or "") if of == xmltree.get(tree, "uuid") else ""


def is_template(tree: Element) -> bool:
    """Whether a definition is noted to be that of a template."""
    of = xmltree.get(tree, f"{TEMPLATE}/@uuid")
    marked = xmltree.get(tree, f"{TEMPLATE}/@is") == "yes"
    return marked and of == xmltree.get(tree, "uuid")


def seal(tree: Element, note: str) -> None:
    """Say for which UUID something is noted in a definition."""
    if xmltree.find(tree, note) is not None:
        xmltree.put(tree, f"{note}/@uuid", xmltree.get(tree, "uuid"))


def drop_notes(tree: Element, notes: Sequence[Element]) -> None:
    """Take notes out of a definition, and what held nothing but them."""
    for note in notes:
        xmltree.remove(tree, note)
    mark = xmltree.find(tree, MARK) if notes else None
    if mark is not None and not len(mark) and mark.attrib.keys() <= {"xmlns:fleet"}:
        xmltree.put(tree, f"{MARK}!", None)


def is_of_another(tree: Element) -> bool:
    """Whether a mark came along with a clone: it says for which UUID it is, and not for this."""
    return xmltree.get(tree, f"{MARK}/@uuid") not in (None, xmltree.get(tree, "uuid"))
