# SPDX-License-Identifier: GPL-3.0-or-later
"""Fields: one option each, in the ways in which XML has the value of one. A part of fields.py."""

from __future__ import annotations

import json
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from . import xmltree
from .codecs import TEXT, Codec, Value, hiding
from .texts import as_kept, as_written
from .xmltext import plain as text_of
from .xmltree import Element


@dataclass(frozen=True)
class Field:
    """One option, at one path of the XML.

    `applier` is what brings a change to a running resource; without one it needs a restart.
    What is `sensitive` is a text that is compared, and shown to nobody.
    """

    name: str
    path: str
    codec: Codec = TEXT
    applier: Enum | None = None
    sensitive: bool = False

    def __post_init__(self) -> None:
        if self.sensitive:
            object.__setattr__(self, "codec", hiding(self.codec))

    def found_in(self, element: Element) -> str | None:
        """The text from which the codec decodes the value that an element has."""
        return xmltree.get(element, self.path)

    def as_kept(self, given: Any) -> Any:
        """What a user wrote, as it is read again. ValueError for what cannot be kept."""
        return as_kept(given, self.path.rpartition("/")[2].startswith("@"))


@dataclass(frozen=True)
class Written(Field):
    """One option that is a text for people, kept to the letter. Its codec is one of `prose`."""

    def found_in(self, element: Element) -> str | None:
        found = xmltree.find(element, self.path)
        return None if found is None else text_of(found.text)

    def as_kept(self, given: Any) -> Any:
        """With the white space around it."""
        return as_written(given) if isinstance(given, str) else given


@dataclass(frozen=True)
class Mapped(Field):
    """One option whose value is a dictionary: an element for each pair, at one path.

    Of an element the attribute `key` is the name and `of` the value. The codec is one of `pairs`.
    """

    key: str = "name"
    of: str = "value"

    def found_in(self, element: Element) -> str | None:
        pairs = xmltree.find_all(element, self.path)
        said = {str(one.get(self.key)): one.get(self.of) for one in pairs}
        return json.dumps(said) if said else None


@dataclass(frozen=True)
class Listed(Field):
    """One option whose value is a list: an element for each, in their order, at one path.

    Of an element the attribute `of` is what is listed, or its text. The codec is one of lists.
    """

    of: str = ""

    def found_in(self, element: Element) -> str | None:
        found = xmltree.find_all(element, self.path)
        said = [one.get(self.of) if self.of else text_of(one.text).strip() for one in found]
        return json.dumps(said) if said else None


@dataclass(frozen=True)
class Composed(Field):
    """One option whose value stands in several `parts` of the element at its path.

    Of `each` path every element counts, by some of its attributes. The text that the codec decodes
    is JSON: the parts that are there, each with what it says, or with a list of what each says.
    """

    parts: tuple[str, ...] = ()
    each: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def places(self) -> tuple[str, ...]:
        """The path of each part."""
        return tuple(self.below(part) for part in self.parts)

    def below(self, part: str) -> str:
        """The path of a part, or of elements of which each counts."""
        above = self.path.replace("!", "")
        return f"{above}/{part}" if above else part

    def elements_in(self, element: Element) -> list[tuple[Element, tuple[str, ...]]]:
        """The elements of which each counts, with the attributes by which they do."""
        found = ((xmltree.find_all(element, self.below(at)), of) for at, of in self.each.items())
        return [(one, of) for ones, of in found for one in ones]

    def found_in(self, element: Element) -> str | None:
        pairs = zip(self.parts, (xmltree.get(element, place) for place in self.places()))
        said: dict[str, Any] = {part: text for part, text in pairs if text is not None}
        for at, of in self.each.items():
            ones = xmltree.find_all(element, self.below(at))
            if ones:
                said[at] = [{name: one.get(name) for name in of if one.get(name)} for one in ones]
        return json.dumps(said) if said else None


@dataclass(frozen=True)
class Sharing(Field):
    """One of several options that say one element together, the one at their path."""

    def put_in(self, element: Element, value: Value) -> None:
        """Set it in what the element stands in, and let what the others say agree."""
        raise NotImplementedError

    def told_in(self, element: Element) -> Iterator[tuple[Element, str]]:
        """The attributes by which it is said, each with its element."""
        raise NotImplementedError


# ---- setting what a field has


def put_value(row: Field, element: Element, value: Value) -> None:
    """Set what a field has, in the parts of the tree in which it stands."""
    if isinstance(row, Sharing):
        row.put_in(element, value)
        return
    if isinstance(row, Listed):
        _put_list(row, element, value)
        return
    if isinstance(row, Composed):
        _put_parts(row, element, row.codec.encode(value))
        return
    if not isinstance(row, Mapped):
        xmltree.put(element, row.path, row.codec.encode(value))
        return
    there = row.codec.decode(row.found_in(element))
    for name in (name for name in there if name not in value):
        xmltree.put(element, f"{row.path}[@{row.key}='{name}']!", None)
    for name, text in value.items():
        if there.get(name) != text:  # else it keeps its letters
            xmltree.put(element, f"{row.path}[@{row.key}='{name}']/@{row.of}", text)


def _put_list(row: Listed, element: Element, value: Value) -> None:
    xmltree.put(element, f"{row.path}!", None)
    for text in value:
        one = xmltree.child_of(parent_of(element, row.path), row.path.rpartition("/")[2], {})
        xmltree.put(one, f"@{row.of}" if row.of else "", text)


def _put_parts(row: Composed, element: Element, text: str | None) -> None:
    if text is None and "!" in row.path:
        xmltree.put(element, row.path, None)
        return
    said = json.loads(text or "{}")
    # What goes comes last: an element that is empty in between would go too.
    for part, place in sorted(zip(row.parts, row.places()), key=lambda one: one[0] not in said):
        xmltree.put(element, place, said.get(part))
    for at in row.each:
        _put_each(element, row.below(at), said.get(at, []))


def _put_each(element: Element, path: str, said: list[dict[str, str]]) -> None:
    there = xmltree.find_all(element, path)
    if [dict(one.attrib) for one in there] == said:
        return
    xmltree.put(element, f"{path}!", None)
    for attributes in said:
        xmltree.child_of(parent_of(element, path), path.rpartition("/")[2], attributes)


def places_of(field: Field) -> tuple[str, ...]:
    """The paths in which a field stands."""
    if not isinstance(field, Composed):
        return (field.path,)
    return (*field.places(), *(f"{field.below(at)}!" for at in field.each))


def take_away(field: Field, element: Element, kept: Container[str] = ()) -> None:
    """Take away all that a field stands in, but for places in which others stand too."""
    for place in places_of(field):
        if place not in kept:
            xmltree.put(element, place, None)


def parent_of(element: Element, path: str) -> Element:
    """What a path's last step stands in, made where it is missing."""
    above = path.rpartition("/")[0]
    return xmltree.ensure(element, above) if above else element
