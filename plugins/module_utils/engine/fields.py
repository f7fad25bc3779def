# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows: a field is stated once, and its argument spec, its reading and its editing follow from it.

A table of rows describes a resource. Reading a tree through it gives plain values by key; a key is
the path of names a user sees: `("cpu", "count")`, `("disks", "root", "bus")`. Editing a tree
through it sets just the keys that are given, and leaves everything else in the tree as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from itertools import count
from typing import NamedTuple, Union

from . import xmltree
from .codecs import TEXT, Codec, Value
from .field import (
    Composed,
    Field,
    Listed,
    Mapped,
    Sharing,
    Written,
    parent_of,
    places_of,
    put_value,
    take_away,
)
from .keys import ABSENT, PRESENT, Key, Values, is_within, key_of
from .xmltree import Element

# What tables are made of is had from here.
__all__ = ["Composed", "Field", "Items", "Listed", "Mapped", "Sharing", "Variant", "Written"]


@dataclass(frozen=True)
class Variant:
    """A union: the attribute at `path` says which case holds, and each case has its own fields.

    Its value is one dictionary of the fields of the case that holds. To a user these fields are
    options beside each other, of which one case is used.
    """

    name: str
    path: str
    cases: Mapping[str, tuple[Field, ...]]
    applier: Enum | None = None


@dataclass(frozen=True)
class Items:
    """A list of things that are known by a name, never by their position.

    `name_of` tells the name of an element, or None for one that is not of this list; `new` makes
    a bare element for a name. `key` is the option that holds the name.
    """

    name: str
    path: str
    rows: tuple[Field | Variant, ...]
    name_of: Callable[[Element], str | None]
    new: Callable[[str], Element]
    key: tuple[str, Codec] = ("name", TEXT)
    applier: Enum | None = None


Row = Union[Field, Variant, Items]
Rows = tuple[Row, ...]


# ---- what a tree has


class _Reading(NamedTuple):
    """A row as it is read, with what has not to be found out for each tree."""

    row: Row
    key: Key
    place: str  # where an element has to be for the row to say anything; empty: anywhere
    unsaid: tuple[tuple[Key, Value], ...] | None  # what the row says without; None: it is asked


class _Stretch(NamedTuple):
    """A part of a table for trees of one shape: what rows say of what is not there, and the next
    one that has to be asked."""

    unsaid: Values
    asked: _Reading | None


def values_of(rows: Rows, element: Element, under: Key = ()) -> Values:
    """Every value of the table as this tree has it."""
    have: Values = {}
    for unsaid, asked in _stretches(rows, _places(element)):
        have.update({under + key: value for key, value in unsaid.items()} if under else unsaid)
        if asked is not None:
            _ask(asked, element, under, have)
    return have


def _ask(asked: _Reading, element: Element, under: Key, have: Values) -> None:
    row, key = asked.row, asked.key
    if isinstance(row, Field):
        # To ask the row takes longer, and most plans do little else.
        plain = row.__class__ is Field
        found = xmltree.get(element, row.path) if plain else row.found_in(element)
        have[under + key] = row.codec.decode(found)
    elif isinstance(row, Variant):
        case = row.cases.get(xmltree.get(element, row.path) or "")
        if case is not None:
            have[under + key] = {f.name: f.codec.decode(f.found_in(element)) for f in case}
    else:
        for name, item in items_of(row, element).items():
            at = (*under, *key, name)
            have[at] = PRESENT
            have.update(values_of(row.rows, item, at))


def _places(element: Element) -> frozenset[str]:
    """The tags of what is in an element, and of what is in the first of each: `devices/rng`."""
    places: set[str] = set()
    for child in element:
        if child.tag not in places:
            places.add(child.tag)
            places.update([f"{child.tag}/{inner.tag}" for inner in child])
    return frozenset(places)


def _stretches(rows: Rows, places: frozenset[str]) -> tuple[_Stretch, ...]:
    """What there is to do for trees with these places: most of a table is about what is in none,
    and most trees of a host have one shape."""
    # By identity: to compare tables takes longer than to read a tree.
    known = _STRETCHES.get(id(rows))
    if known is None or known[0] is not rows:
        known = _STRETCHES[id(rows)] = rows, tuple(map(_reading, rows)), {}
    of_shape = known[2]
    if places not in of_shape:
        of_shape[places] = tuple(_divided(known[1], places))
    return of_shape[places]


_STRETCHES: dict[
    int, tuple[Rows, tuple[_Reading, ...], dict[frozenset[str], tuple[_Stretch, ...]]]
] = {}


def _divided(readings: Iterable[_Reading], places: frozenset[str]) -> Iterator[_Stretch]:
    unsaid: Values = {}
    for reading in readings:
        if reading.unsaid is not None and reading.place not in places:
            unsaid.update(reading.unsaid)
        else:
            yield _Stretch(unsaid, reading)
            unsaid = {}
    yield _Stretch(unsaid, None)


def _reading(row: Row) -> _Reading:
    steps = xmltree.compile_path(row.path)[0]
    key = (row.name,) if isinstance(row, Variant) else key_of(row.name)
    if not steps or isinstance(row, Variant):
        return _Reading(row, key, "", None)
    unsaid: tuple[tuple[Key, Value], ...] = ()
    if isinstance(row, Field):
        value = row.codec.decode(None)
        if isinstance(value, (list, dict)):  # which whoever gets it may change
            return _Reading(row, key, "", None)
        unsaid = ((key, value),)
    is_deep = len(steps) > 1 and steps[0].attr is None  # of several, the first is the one
    place = f"{steps[0].tag}/{steps[1].tag}" if is_deep else steps[0].tag
    return _Reading(row, key, place, unsaid)


def items_of(row: Items, element: Element) -> dict[str, Element]:
    """The elements of a list by their names, in the order of the tree.

    Of several with one name, which others may have made, the second is called NAME#2, and so on.
    """
    items: dict[str, Element] = {}
    for item in xmltree.find_all(element, row.path):
        name = row.name_of(item)
        if name is not None:
            items[_free_name(name, items)] = item
    return items


def _free_name(name: str, taken: Container[str]) -> str:
    if name not in taken:
        return name
    return next(free for free in (f"{name}#{n}" for n in count(2)) if free not in taken)


# ---- editing a tree


def edit(rows: Rows, element: Element, values: Mapping[Key, Value], under: Key = ()) -> None:
    """Set the given keys in a tree; all that is not named stays as it is."""
    for row in rows:
        if isinstance(row, Field):
            key = under + key_of(row.name)
            if key in values and not _is_so(row, element, values[key]):
                put_value(row, element, values[key])
        elif isinstance(row, Variant):
            if (*under, row.name) in values:
                _edit_variant(row, element, values[(*under, row.name)])
        else:
            _edit_items(row, element, values, under + key_of(row.name))


def _is_so(row: Field, element: Element, value: Value) -> bool:
    """Whether an element says a value already, be it in other letters: then it keeps those."""
    found = row.found_in(element)
    return found is not None and bool(row.codec.decode(found) == value)


def _edit_variant(row: Variant, element: Element, value: Mapping[str, Value]) -> None:
    word, case = case_of(row, value)
    if xmltree.get(element, row.path) not in row.cases:
        _clear(row, element)
    kept = {place for field in case for place in places_of(field)}
    for field in _fields_of_other_cases(row, case):
        take_away(field, element, kept)
    xmltree.put(element, row.path, word)
    for field in case:
        if not (isinstance(field, Composed) and _is_so(field, element, value[field.name])):
            put_value(field, element, value[field.name])


def _clear(row: Variant, element: Element) -> None:
    """Take out what the fields stand in: it is of a case that no row is about."""
    fields = (field for case in row.cases.values() for field in case)
    for top in {place.split("/")[0] for field in fields for place in places_of(field)}:
        xmltree.put(element, f"{top}!", None)


def case_of(row: Variant, value: Mapping[str, Value]) -> tuple[str, tuple[Field, ...]]:
    """The case that a value is of: its word in the XML and its fields."""
    return next((w, c) for w, c in row.cases.items() if {f.name for f in c} == set(value))


def _fields_of_other_cases(row: Variant, case: tuple[Field, ...]) -> list[Field]:
    return [f for other in row.cases.values() for f in other if f not in case]


def _edit_items(row: Items, element: Element, values: Mapping[Key, Value], key: Key) -> None:
    there = items_of(row, element)
    wanted = [k for k in values if is_within(k, key) and len(k) == len(key) + 1]
    for at in wanted:
        name = at[-1]
        if values[at] is ABSENT and name in there:
            xmltree.remove(element, there[name])
        if values[at] is PRESENT and name not in there:
            there[name] = row.new(name)
            parent_of(element, row.path).append(there[name])
    for name, item in there.items():
        if values.get((*key, name)) is not ABSENT:
            edit(row.rows, item, values, (*key, name))


# ---- finding rows


def rows_by_key(rows: Rows, key: Key) -> Row | None:
    """The row that a key is of; for a thing in a list, the list's own row."""
    for row in rows:
        own = key_of(row.name)
        if not isinstance(row, Items):
            if own == key:
                return row
        elif is_within(key, own):
            rest = key[len(own) + 1 :]
            return rows_by_key(row.rows, rest) if rest else row
    return None
