# SPDX-License-Identifier: GPL-3.0-or-later
"""What is told of a resource: its options, as one could declare them, and what no option can say.

Others write things that the tables do not know: a NIC of a model that is no choice, a second
serial port, a `<hostdev>`. What a declaration would refuse is not told as an option; it is
named in a list of its own, so that nobody takes the options for the whole.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from . import xmltree
from .codecs import Codec, Value
from .fields import (
    Composed,
    Field,
    Items,
    Listed,
    Mapped,
    Rows,
    Sharing,
    Variant,
    case_of,
    items_of,
    rows_by_key,
)
from .keys import Key, Values, is_of_any, named
from .texts import Prose
from .xmltext import plain as text_of
from .xmltree import Element

# ---- options


def sayable(rows: Rows, values: Values) -> Values:
    """The values that a declaration can say, those of unnamed things and foreign words aside.

    What is told goes to Ansible, which takes no texts of a type of their own for variables.
    """
    unnamed = [key for key in values if _is_unnamed(rows, key)]
    return {
        key: str(value) if isinstance(value, Prose) else value
        for key, value in values.items()
        if not is_of_any(key, unnamed) and says(rows, key, value)
    }


def unsaid(rows: Rows, values: Values) -> list[str]:
    """The options whose values no declaration can say, each with that."""
    return [
        f"{named(key)} ({value})"
        for key, value in values.items()
        if value is not None and not says(rows, key, value)
    ]


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

# Paths of what says nothing, or is told otherwise, with the values that say nothing (none named:
# whatever it is, and all that is below).
Known = Mapping[str, Collection[str]]
# What only holds other things: they are named, and not it.
HOLDERS = ("devices", "features", "metadata", "os")


def unmanaged(
    rows: Rows,
    element: Element,
    known: Known,
    parts: Iterable[tuple[Rows, Element]] = (),
    told: Iterable[tuple[int, str | None]] = (),
) -> list[str]:
    """The paths of what a tree says and no option does, each once.

    `parts` are elements in it with a table of their own; `told` is what is told by no table: an
    element by its identity, with an attribute, or None for its text.
    """
    return sorted(set(_Rest([(rows, element), *parts], known, told).below(element)))


class _Rest:
    """Walks through a tree for what is in none of the rows."""

    def __init__(
        self,
        parts: Sequence[tuple[Rows, Element]],
        known: Known,
        told: Iterable[tuple[int, str | None]],
    ) -> None:
        self.known = known
        self.lists = {row.path for row in parts[0][0] if isinstance(row, Items)}
        self.labels: dict[int, str] = {}
        # What is told: an element by its identity, with an attribute, or None for its text.
        self.marks: set[tuple[int, str | None]] = set(told)
        for rows, element in parts:
            self._mark_all(rows, element)
        self.touched = {place for place, _attribute in self.marks}

    def below(self, element: Element, plain: str = "", shown: str = "") -> Iterator[str]:
        """What is left in an element that is told of in part."""
        for name, value in element.attrib.items():
            is_told = (id(element), name) in self.marks or name.startswith("xmlns")
            if not is_told and not self._says_nothing(f"{plain}@{name}", value):
                yield f"{shown}@{name}"
        text = text_of(element.text).strip()
        is_told = (id(element), None) in self.marks or self._says_nothing(f"{plain}text()", text)
        if text and not is_told:
            yield shown.rstrip("/")
        for child in xmltree.elements(element):
            yield from self._child(child, f"{plain}{child.tag}", f"{shown}{child.tag}")

    def _child(self, child: Element, plain: str, shown: str) -> Iterator[str]:
        if self._says_nothing(plain, text_of(child.text).strip()):
            return
        label = self.labels.get(id(child))
        left = self.below(child, f"{plain}/", f"{shown}[{label}]/" if label else f"{shown}/")
        if plain in HOLDERS or any(id(part) in self.touched for part in child.iter()):
            yield from left
        elif plain in self.lists or any(left) or not (child.attrib or len(child)):
            yield shown

    def _says_nothing(self, path: str, value: str) -> bool:
        return path in self.known and (not self.known[path] or value in self.known[path])

    def _mark_all(self, rows: Rows, element: Element) -> None:
        for row in rows:
            if isinstance(row, Field):
                self._mark_field(element, row)
            elif isinstance(row, Variant):
                case = row.cases.get(xmltree.get(element, row.path) or "")
                if case is not None:
                    self._mark(element, row.path)
                for field in case or ():
                    self._mark_field(element, field)
            else:
                for name, item in items_of(row, element).items():
                    if _takes(row.key[1], name):
                        self.labels[id(item)] = name
                        self.marks.add((id(item), None))
                        named_by = [a for a, v in row.new(name).attrib.items() if v == name]
                        self.marks.update((id(item), attribute) for attribute in named_by)
                        self._mark_all(row.rows, item)

    def _mark_field(self, element: Element, field: Field) -> None:
        found = field.found_in(element)
        if found is None or not _takes(field.codec, field.codec.decode(found)):
            return
        if isinstance(field, Mapped):
            for one in xmltree.find_all(element, field.path):
                self.marks |= {(id(one), field.key), (id(one), field.of)}
        elif isinstance(field, Listed):
            found_there = xmltree.find_all(element, field.path)
            self.marks |= {(id(one), field.of or None) for one in found_there}
        elif isinstance(field, Sharing):
            told_in = field.told_in(element)
            self.marks |= {(id(one), attribute) for one, attribute in told_in}
        elif isinstance(field, Composed):
            for place in field.places():
                self._mark(element, place)
            for one, attributes in field.elements_in(element):
                self.marks |= {(id(one), at) for at in (None, *attributes)}
        else:
            self._mark(element, field.path)

    def _mark(self, element: Element, path: str) -> None:
        """What stands at a path is told, and what its last step is picked by."""
        steps, attribute = xmltree.compile_path(path)
        place = xmltree.find(element, path)
        if place is not None:
            self.marks.add((id(place), attribute))
            if steps and steps[-1].attr not in (None, xmltree.UNLIKE, xmltree.REST):
                self.marks.add((id(place), steps[-1].attr))
