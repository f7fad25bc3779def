# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows: a field is stated once, and its argument spec, its reading and its editing follow from it.

A table of rows describes a resource. Reading a tree through it gives plain values by key; a key is
the path of names a user sees: `("cpu", "count")`, `("disks", "root", "bus")`. Editing a tree
through it sets just the keys that are given, and leaves everything else in the tree as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from itertools import count
from typing import Any, NamedTuple, Union

from . import xmltree
from .codecs import TEXT, Codec, Value
from .errors import Mistakes
from .field import Composed, Field, Listed, Mapped, Sharing, parent_of, put_value, take_away
from .hidden import unquoted
from .keys import ABSENT, PRESENT, Key, Values, is_within, key_of, named
from .texts import as_kept
from .xmltree import Element

# What tables are made of is had from here.
__all__ = ["Composed", "Field", "Items", "Listed", "Mapped", "Sharing", "Variant"]


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


# ---- the argument spec


def spec_of(rows: Rows) -> dict[str, Any]:
    """The argument spec of a table."""
    spec: dict[str, Any] = {}
    for row in rows:
        if isinstance(row, Field):
            _place(spec, key_of(row.name), dict(row.codec.spec))
        elif isinstance(row, Variant):
            for field in _fields_of(row):
                spec[field.name] = dict(field.codec.spec)
        else:
            _place(spec, key_of(row.name), _items_spec(row))
    return spec


def _items_spec(row: Items) -> dict[str, Any]:
    name, codec = row.key
    options = {name: {**codec.spec, "required": True}, "state": _item_state(), **spec_of(row.rows)}
    return {"type": "list", "elements": "dict", "options": options}


def _item_state() -> dict[str, Any]:
    return {"type": "str", "choices": ["present", "absent"], "default": "present"}


def _fields_of(row: Variant) -> Iterator[Field]:
    seen = set()
    for field in (field for case in row.cases.values() for field in case):
        if field.name not in seen:
            seen.add(field.name)
            yield field


def _place(spec: dict[str, Any], key: Key, option: dict[str, Any]) -> None:
    for part in key[:-1]:
        spec = spec.setdefault(part, {"type": "dict", "options": {}})["options"]
    spec[key[-1]] = option


# ---- what a user wants


def want_of(rows: Rows, params: Mapping[str, Any], mistakes: Mistakes, under: Key = ()) -> Values:
    """The values that a user declared; what was omitted is not in it. Mistakes are collected."""
    want: Values = {}
    for row in rows:
        if isinstance(row, Variant):
            _want_variant(row, params, want, mistakes, under)
            continue
        key = key_of(row.name)
        if params.get(key[0]) is None:  # as of most of a table
            continue
        given = _given(params, key)
        if isinstance(row, Items):
            _want_items(row, given or (), want, mistakes, under + key)
        elif given is not None:
            _parsed(row, given, want, mistakes, under + key)
    return want


def _given(params: Mapping[str, Any], key: Key) -> Any:
    value: Any = params
    for part in key:
        if not isinstance(value, dict):  # Mapping says the same, in ten times the time
            return None
        value = value.get(part)
    return value


def _parsed(row: Field, given: Any, want: Values, mistakes: Mistakes, key: Key) -> None:
    try:
        in_attribute = row.path.rpartition("/")[2].startswith("@")
        want[key] = row.codec.parse(as_kept(given, in_attribute))
    except (ValueError, TypeError) as error:
        mistakes.add(unquoted(str(error), given) if row.sensitive else str(error), named(key))


def _want_variant(
    row: Variant, params: Mapping[str, Any], want: Values, mistakes: Mistakes, under: Key
) -> None:
    given = {f.name: params[f.name] for f in _fields_of(row) if params.get(f.name) is not None}
    if not given:
        return
    case = next((c for c in row.cases.values() if {f.name for f in c} == set(given)), None)
    if case is None:
        ways = " or ".join("+".join(f.name for f in c) for c in row.cases.values())
        mistakes.add(f"{'+'.join(given)} is no way to say it; use {ways}", named(under))
        return
    parsed: Values = {}
    for field in case:
        _parsed(field, given[field.name], parsed, mistakes, (*under, field.name))
    want[(*under, row.name)] = {key[-1]: value for key, value in parsed.items()}


def _want_items(row: Items, given: Any, want: Values, mistakes: Mistakes, key: Key) -> None:
    option, codec = row.key
    for item in given:
        try:
            name = _name(codec.parse(as_kept(item[option], in_attribute=True)))
        except ValueError as error:
            mistakes.add(str(error), named((*key, option)))
            continue
        at = (*key, name)
        if at in want:
            mistakes.add(f"two of {named(key)} have the {option} {name}", named(at))
        want[at] = ABSENT if item.get("state") == ABSENT else PRESENT
        if want[at] is PRESENT:
            want.update(want_of(row.rows, item, mistakes, at))


def _name(given: Any) -> str:
    """The name of a thing in a list; a text may be empty elsewhere, where that takes it away."""
    if given == "":
        raise ValueError("is empty; everything in this list is known by it")
    return str(given)


# ---- what a tree has


class _Reading(NamedTuple):
    """A row as it is read, with what has not to be found out for each tree."""

    row: Row
    key: Key
    first: str  # the tag that an element has to have for the row to say anything; empty: none
    unsaid: tuple[tuple[Key, Value], ...] | None  # what the row says without; None: it is asked


def values_of(rows: Rows, element: Element, under: Key = ()) -> Values:
    """Every value of the table as this tree has it."""
    have: Values = {}
    there = {child.tag for child in element}
    for row, key, first, unsaid in _readings(rows):
        if unsaid is not None and first not in there:
            # Most of a table is about what a resource does not have.
            for unsaid_key, value in unsaid:
                have[under + unsaid_key] = value
        elif isinstance(row, Field):
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
    return have


def _readings(rows: Rows) -> tuple[_Reading, ...]:
    # By identity: to compare tables takes longer than to read a tree.
    known = _READINGS.get(id(rows))
    if known is None or known[0] is not rows:
        known = rows, tuple(map(_reading, rows))
        _READINGS[id(rows)] = known
    return known[1]


_READINGS: dict[int, tuple[Rows, tuple[_Reading, ...]]] = {}


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
    return _Reading(row, key, steps[0].tag, unsaid)


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
    for field in _fields_of_other_cases(row, case):
        take_away(field, element)
    xmltree.put(element, row.path, word)
    for field in case:
        if not (isinstance(field, Composed) and _is_so(field, element, value[field.name])):
            put_value(field, element, value[field.name])


def _clear(row: Variant, element: Element) -> None:
    """Take out what the fields stand in: it is of a case that no row is about."""
    for top in {field.path.split("/")[0] for case in row.cases.values() for field in case}:
        xmltree.put(element, f"{top}!", None)


def case_of(row: Variant, value: Mapping[str, Value]) -> tuple[str, tuple[Field, ...]]:
    """The case that a value is of: its word in the XML and its fields."""
    return next((w, c) for w, c in row.cases.items() if {f.name for f in c} == set(value))


def _fields_of_other_cases(row: Variant, case: tuple[Field, ...]) -> list[Field]:
    kept = {field.path for field in case}
    others = [f for other in row.cases.values() for f in other if f not in case]
    return [f for f in others if isinstance(f, Composed) or f.path not in kept]


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
