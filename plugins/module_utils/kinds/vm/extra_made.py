# SPDX-License-Identifier: GPL-3.0-or-later
"""What became of the fragments of extra_xml in a domain, part by part."""

from __future__ import annotations

from typing import Union

from ...engine import xmltree
from ...engine.xmltree import Element
from .extra_record import Record
from .fragments import (
    At,
    Path,
    Slice,
    Unit,
    is_used,
    items_at,
    likest,
    place,
    sliced,
    take,
    value_at,
    without,
)

# What libvirt gives to every VM of a machine, and would give again in another place.
OF_EVERY_VM = {(kind, "0") for kind in ("usb", "sata", "ide", "pci")}

# What libvirt has not kept of what was asked for.
Lost = Union[At, "tuple[Path, Unit]"]


def made_of(record: Record, now: Element) -> tuple[Slice, list[Lost]]:
    """What was asked for as it is now, with all that came along in new places, and what is lost."""
    asked, before = record.slice, record.before or Slice()
    made = Slice() if record.before is None else _came_along(asked, before, now)
    lost: list[Lost] = []
    for at in asked.values:
        value = value_at(now, at)
        if value is not None:
            made.values[at] = value
        elif at[1] is None:
            lost.append(at)
    for path, units in asked.items.items():
        theirs = theirs_of(record)[path]
        new = without(items_at(now, path), flat(before.items.get(path, [])))
        old = without(items_at(now, path), new)
        made.items[path] = []
        for unit, other in zip(units, theirs):
            found = likest(new, unit) if other is None else take(old, other)
            if found is None:
                lost.append((path, unit))
            made.items[path].append(found or unit)
    return made, lost


def _came_along(asked: Slice, before: Slice, now: Element) -> Slice:
    """All that is in places that were not there before; libvirt adds defaults and addresses."""
    new = {
        path for path, name in asked.values if name is None and (path, None) not in before.values
    }
    whole = sliced(now) if new else Slice()

    def is_new(path: Path) -> bool:
        return any(path[:length] in new for length in range(1, len(path) + 1))

    values = {at: value for at, value in whole.values.items() if is_new(at[0])}
    items = {path: units for path, units in whole.items.items() if is_new(path)}
    return Slice(values, items)


def add_what_came_along(made: Slice, sent: Element, now: Element) -> None:
    """Add what libvirt added elsewhere to a definition that it was given."""
    was, whole = sliced(sent), sliced(now)
    for at, value in whole.values.items():
        if (at[0], None) not in was.values and at[0][0][0] != "metadata":
            made.values.setdefault(at, value)
    for path in whole.items.keys() - {(("metadata", ()),)}:
        there = without(flat(whole.items[path]), flat(was.items.get(path, [])))
        mine = flat(made.items.get(path, []))
        new = [element for element in there if not any(element is one for one in mine)]
        made.items.setdefault(path, []).extend([element] for element in new)


def add_controllers(made: Slice, sent: Element, now: Element) -> None:
    """Add the controllers that libvirt added for what was put in, where other things changed too.

    They are those that serve nothing once that is taken out, nor what serves only that.
    """
    without_it = _without_what_was_put_in(made, now)
    there = {*OF_EVERY_VM, *(_key(one) for one in sent.findall("devices/controller"))}
    new = [one for one in now.findall("devices/controller") if _key(one) not in there]
    mine: set[Path] = set()
    while True:
        serves = [c for c in new if is_used(now, c) and not is_used(without_it, c)]
        found = {_at(one) for one in serves} - mine
        if not found:
            break
        mine |= found
        for path in found:
            _remove_place(without_it, path)
    whole = sliced(now)
    made.values.update({at: v for at, v in whole.values.items() if at[0][:2] in mine})
    made.items.update({path: units for path, units in whole.items.items() if path[:2] in mine})


def _without_what_was_put_in(made: Slice, now: Element) -> Element:
    copy = xmltree.clone(now)
    for path, units in made.items.items():
        left, parent = items_at(copy, path), place(copy, path)
        for unit in units:
            for element in (parent is not None and take(left, unit, last=True)) or ():
                xmltree.remove(copy, element)
    for path, name in list(made.values):
        if name is None and path[0][0] == "devices" and len(path) == 2:
            _remove_place(copy, path)
    return copy


def _remove_place(domain: Element, path: Path) -> None:
    element = place(domain, path)
    if element is not None:
        xmltree.remove(domain, element)


def _key(controller: Element) -> tuple[str, str]:
    return controller.get("type", ""), controller.get("index", "")


def _at(controller: Element) -> Path:
    kind, index = _key(controller)
    return ("devices", ()), ("controller", (("type", kind), ("index", index)))


def theirs_of(record: Record) -> dict[Path, list[Unit | None]]:
    """For each item that was asked for, the one of somebody else that says all of it already."""
    before, theirs = record.before or Slice(), {}
    for path, units in record.slice.items.items():
        free = flat(before.items.get(path, []))
        theirs[path] = [take(free, unit) for unit in units]
    return theirs


def flat(units: list[Unit]) -> list[Element]:
    """The elements of units, in their order."""
    return [element for unit in units for element in unit]
