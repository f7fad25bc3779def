# SPDX-License-Identifier: GPL-3.0-or-later
"""What all who make a domain agree have in common."""

from __future__ import annotations

from collections.abc import Collection

from ....engine import xmltree
from ....engine.keys import Key, is_within, key_of
from ....engine.xmltree import Element

Changed = Collection[Key]  # the keys whose values an edit changes, those of new things included


def touched(changed: Changed, *options: str) -> bool:
    """Whether one of some options changes, or something below it."""
    keys = [key_of(option) for option in options]
    return any(is_within(at, key) for at in changed for key in keys)


def drop(element: Element, *paths: str) -> None:
    """Take away all elements and attributes at some paths, as ElementTree finds them."""
    for path in paths:
        above, _slash, last = path.rpartition("/")
        if last.startswith("@"):
            for found in element.findall(above) if above else [element]:
                found.attrib.pop(last[1:], None)
        else:
            for found in element.findall(path):
                xmltree.remove(element, found)


def prune(element: Element, tag: str) -> None:
    """Take away the children of a tag that say nothing any more."""
    for child in element.findall(tag):
        if not child.attrib and not len(child) and not (child.text or "").strip():
            element.remove(child)
