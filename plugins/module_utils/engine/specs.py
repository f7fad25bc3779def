# SPDX-License-Identifier: GPL-3.0-or-later
"""What a table is to a user: the options that are to be given, and what was given of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .errors import Mistakes
from .field import Field
from .fields import Items, Row, Rows, Variant
from .hidden import unquoted
from .keys import ABSENT, PRESENT, Key, Values, key_of, named
from .texts import as_kept

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
    named_here = frozenset([name for name, value in params.items() if value is not None])
    for row, key in _declared(rows, named_here):
        if isinstance(row, Variant):
            _want_variant(row, params, want, mistakes, under)
            continue
        given = _given(params, key)
        if isinstance(row, Items):
            _want_items(row, given or (), want, mistakes, under + key)
        elif given is not None:
            _parsed(row, given, want, mistakes, under + key)
    return want


def _declared(rows: Rows, named_here: frozenset[str]) -> tuple[tuple[Row, Key], ...]:
    """The rows that these options are of, with their keys: most declarations say little of a table,
    and many say the same of it."""
    known = _DECLARED.get(id(rows))  # by identity, as reading does it
    if known is None or known[0] is not rows:
        known = _DECLARED[id(rows)] = rows, {}
    if named_here not in known[1]:
        keyed = ((row, key_of(row.name)) for row in rows)
        known[1][named_here] = tuple(
            (row, key) for row, key in keyed if isinstance(row, Variant) or key[0] in named_here
        )
    return known[1][named_here]


_DECLARED: dict[int, tuple[Rows, dict[frozenset[str], tuple[tuple[Row, Key], ...]]]] = {}


def _given(params: Mapping[str, Any], key: Key) -> Any:
    value: Any = params
    for part in key:
        if not isinstance(value, dict):  # Mapping says the same, in ten times the time
            return None
        value = value.get(part)
    return value


def _parsed(row: Field, given: Any, want: Values, mistakes: Mistakes, key: Key) -> None:
    try:
        want[key] = row.codec.parse(row.as_kept(given))
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
