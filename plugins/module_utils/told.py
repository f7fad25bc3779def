# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is told of a resource: its options, as one could declare them, and what no option can say.

Others write things that the tables do not know: a NIC of a model that is no choice, a second
serial port, a `<hostdev>`. What a declaration would refuse is not told as an option; it is
named in a list of its own, so that nobody takes the options for the whole.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from ansible_collections.kvm.fleet.plugins.module_utils import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.codecs import Codec, Value
from ansible_collections.kvm.fleet.plugins.module_utils.fields import (
    Field,
    Items,
    Key,
    Rows,
    Values,
    Variant,
    case_of,
    items_of,
    rows_by_key,
)
from ansible_collections.kvm.fleet.plugins.module_utils.xmltree import Element

# Marks of what is told: an element by its identity, and the attribute; None is its text.
Marks = set[tuple[int, "str | None"]]


# ---- options


def sayable(rows: Rows, values: Values) -> Values:
    """The values that a declaration can say, those of unnamed things and foreign words aside."""
    unnamed = [key for key in values if _is_unnamed(rows, key)]
    return {
        key: value
        for key, value in values.items()
        if not any(key[: len(thing)] == thing for thing in unnamed) and says(rows, key, value)
    }


def _is_unnamed(rows: Rows, key: Key) -> bool:
    row = rows_by_key(rows, key)
    return isinstance(row, Items) and not _takes(row.key[1], key[-1])


def says(rows: Rows, key: Key, value: Value) -> bool:
    """Whether a declaration can say that this field has this value."""
    row = rows_by_key(rows, key)
    if isinstance(row, Field):
        return value is None or _takes(row.codec, value)
    if isinstance(row, Variant):
        return all(_takes(f.codec, value[f.name]) for f in case_of(row, value)[1])
    return True


def _takes(codec: Codec, value: Value) -> bool:
    try:
        return bool(codec.parse(value) == value)
    except (ValueError, TypeError):
        return False


# ---- what no option can say


Known = Mapping[str, Collection[str]]


class Path(NamedTuple):
    """Where one is in a tree: by the tags, and as it is shown, with the names of things."""

    plain: str = ""
    shown: str = ""


def unmanaged(rows: Rows, element: Element, known: Known) -> list[str]:
    """The paths of what a tree says and no option does.

    `known` are paths of what is told otherwise or says nothing, with the values that say nothing
    (none named: whatever it is).
    """
    labels: dict[int, str] = {}
    marks = _marks(rows, element, labels)
    return sorted(set(_left(element, Path(), marks, labels, known)))


def _marks(rows: Rows, element: Element, labels: dict[int, str]) -> Marks:
    marks: Marks = set()
    for row in rows:
        if isinstance(row, Field):
            marks |= _mark(element, row.path, row.codec)
        elif isinstance(row, Variant):
            marks |= _marks_of_case(row, element)
        else:
            for name, item in items_of(row, element).items():
                if _takes(row.key[1], name):
                    labels[id(item)] = name
                    marks |= {(id(item), None)} | _marks(row.rows, item, labels)
    return marks


def _marks_of_case(row: Variant, element: Element) -> Marks:
    case = row.cases.get(xmltree.get(element, row.path) or "")
    if case is None:
        return set()
    fields = [_mark(element, field.path, field.codec) for field in case]
    return _at(element, row.path).union(*fields)


def _mark(element: Element, path: str, codec: Codec) -> Marks:
    found = xmltree.get(element, path)
    if found is None or not _takes(codec, codec.decode(found)):
        return set()
    return _at(element, path)


def _at(element: Element, path: str) -> Marks:
    """The marks of what stands at a path, and of what its steps are picked by."""
    steps, attr = xmltree.compile_path(path)
    parts = path.split("/") if "[" in path else []
    marks: Marks = set()
    for at in range(1, len(parts) + 1 if parts else 0):
        step = steps[at - 1] if at <= len(steps) else None
        place = xmltree.find(element, "/".join(parts[:at])) if step and step.attr else None
        if place is not None and step is not None:
            marks.add((id(place), step.attr))
    place = xmltree.find(element, path.rpartition("/")[0]) if attr else xmltree.find(element, path)
    return marks | {(id(element if place is None else place), attr)}


def _left(
    element: Element, at: Path, marks: Marks, labels: Mapping[int, str], known: Known
) -> Iterator[str]:
    for name, value in element.attrib.items():
        if (id(element), name) not in marks and not _is_known(known, f"{at.plain}@{name}", value):
            yield f"{at.shown}@{name}"
    if (element.text or "").strip() and (id(element), None) not in marks and at.plain:
        yield at.shown[:-1]
    for child in element:
        tag = child.tag.rpartition("}")[2] if isinstance(child.tag, str) else "comment"
        plain, shown = f"{at.plain}{tag}", f"{at.shown}{tag}"
        if _is_known(known, plain, child.text or ""):
            continue
        if not _is_touched(child, marks):
            yield shown
            continue
        label = labels.get(id(child))
        named = f"{shown}[{label}]/" if label is not None else f"{shown}/"
        yield from _left(child, Path(f"{plain}/", named), marks, labels, known)


def _is_known(known: Known, path: str, value: str) -> bool:
    return path in known and (not known[path] or value in known[path])


def _is_touched(element: Element, marks: Marks) -> bool:
    """Whether something in an element is told."""
    return any(
        (id(part), name) in marks for part in element.iter() for name in (None, *part.attrib)
    )
