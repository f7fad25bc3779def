# SPDX-License-Identifier: GPL-3.0-or-later
"""Putting extra_xml into a domain, and taking it out again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ...engine import xmltree
from ...engine.xmltree import Element
from .extra_made import made_of, theirs_of
from .extra_record import Record, is_token, record_of, wrapped, write_record
from .fragments import (
    At,
    Path,
    Slice,
    Unit,
    is_used,
    items_at,
    made_place,
    place,
    set_value,
    sliced,
    take,
    value_at,
)


@dataclass
class _Stays:
    """What was put in earlier, is as libvirt made it, and is wanted again."""

    values: set[At]
    items: dict[Path, list[tuple[Unit, Unit]]]  # each as it was asked for, and as it is


def replace(domain: Element, text: str) -> None:
    """Take out what was put in earlier and is not wanted now, put the rest in, and record it.

    What stays keeps what libvirt added to it, such as the address at which the guest sees it.
    """
    wanted = sliced(wrapped(text))
    stays = _take_out(domain, wanted)
    record = Record(text, _before(domain, wanted, stays), None)
    for at, value in wanted.values.items():
        made_place(domain, at[0])
        if at not in stays.values:
            set_value(domain, at, value)
    for path, units in wanted.items.items():
        kept = [asked for asked, _there in stays.items.get(path, [])]
        for unit, theirs in zip(units, theirs_of(record)[path]):
            if theirs is None and not _drop(kept, unit):
                made_place(domain, path).extend(xmltree.clone(element) for element in unit)
    write_record(domain, record)


def _take_out(domain: Element, wanted: Slice) -> _Stays:
    record = record_of(domain)
    made = record.made or made_of(record, domain)[0]
    stays = _Stays(set(), {})
    _take_items(domain, record, made, wanted, stays)
    paths = sorted({at[0] for at in made.values}, key=len, reverse=True)
    before = None
    while before != len(list(domain.iter())):  # a port goes once the bridge in it has gone
        before = len(list(domain.iter()))
        _take_values(domain, record, made, wanted, stays)
        for path in paths:
            if _goes(path, record, wanted):
                _prune(domain, path, record)
    return stays


def _goes(path: Path, record: Record, wanted: Slice) -> bool:
    """Whether a place, or that which it came along with, was asked for and is no more."""
    asked = {at[0] for at in record.slice.values}
    above = next((path[:n] for n in range(len(path), 0, -1) if path[:n] in asked), None)
    return above is None or above == (("devices", ()),) or (above, None) not in wanted.values


def _take_items(domain: Element, record: Record, made: Slice, wanted: Slice, stays: _Stays) -> None:
    for path, units in made.items.items():
        asked, theirs = record.slice.items.get(path, []), theirs_of(record).get(path, [])
        again, left = list(wanted.items.get(path, [])), items_at(domain, path)
        for number, as_made in enumerate(units):
            there = take(left, as_made, last=True)
            if number >= len(asked):
                goes = _goes(path, record, wanted)  # it came along
            else:
                is_wanted = _drop(again, asked[number])
                goes = not is_wanted and theirs[number] is None
                if is_wanted and theirs[number] is None and there is not None:
                    stays.items.setdefault(path, []).append((asked[number], there))
            if goes and there is not None:
                _remove(place(domain, path), there)


def _take_values(
    domain: Element, record: Record, made: Slice, wanted: Slice, stays: _Stays
) -> None:
    asked, before = record.slice.values, record.before or Slice()
    for at, value in made.values.items():
        if at[1] is None or value_at(domain, at) != value:
            continue
        if at in wanted.values and wanted.values[at] == asked.get(at):
            stays.values.add(at)
        elif at in asked or (_goes(at[0], record, wanted) and not _serves(domain, at[0])):
            _give_back(domain, at, before.values.get(at))


def _give_back(domain: Element, at: At, value: str | None) -> None:
    """What was there before. A secret that was is not known any more, and none would be worse."""
    if value is None or not is_token(value):
        set_value(domain, at, value)


def lost_before(domain: Element, after: Element) -> Iterator[At]:
    """The places of what is taken out where another secret stood, which cannot be given back."""
    record, wanted = record_of(domain), record_of(after).slice
    before, made = record.before or Slice(), record.made or made_of(record, domain)[0]
    for at in record.slice.values:
        is_ours = value_at(domain, at) == made.values.get(at)
        if is_ours and at not in wanted.values and is_token(before.values.get(at) or ""):
            yield at


def _serves(domain: Element, path: Path) -> bool:
    """Whether a place is of a controller that devices are plugged into."""
    controller = place(domain, path[:2])
    return controller is not None and is_used(domain, controller)


def _drop(units: list[Unit], unit: Unit) -> bool:
    """Whether a unit is among some, and then is no longer."""
    texts = [[xmltree.serialise(element) for element in one] for one in units]
    mine = [xmltree.serialise(element) for element in unit]
    if mine in texts:
        del units[texts.index(mine)]
    return mine in texts


def _remove(parent: Element | None, unit: Unit) -> None:
    for element in unit:
        if parent is not None:
            parent.remove(element)


def _prune(domain: Element, path: Path, record: Record) -> None:
    """Remove a place that came with what was put in, if it holds nothing any more."""
    element, before = place(domain, path), record.before or Slice()
    if element is None or (path, None) in before.values or len(element):
        return
    if element.tag == "controller" and is_used(domain, element):
        return
    left = [at for at in record.slice.values if at[0] == path and at[1] is not None]
    if not any(value_at(domain, at) is not None for at in left):
        _remove(place(domain, path[:-1]), [element])


def _before(domain: Element, wanted: Slice, stays: _Stays) -> Slice:
    """What stands in the places of what is wanted, but for what was put in earlier."""
    record = record_of(domain)
    asked, before = record.slice, record.before or Slice()
    found = Slice()
    for at in wanted.values:
        earlier = at in stays.values or (at[1] is None and at in asked.values and record.before)
        value = before.values.get(at) if earlier else value_at(domain, at)
        if value is not None:
            found.values[at] = value
    for path, units in wanted.items.items():
        tags = {element.tag for unit in units for element in unit}
        mine = [element for _key, unit in stays.items.get(path, []) for element in unit]
        others = [e for e in items_at(domain, path) if not any(e is one for one in mine)]
        found.items[path] = [[element] for element in others if element.tag in tags]
    return found
