# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""XML that the table has no option for: put in as written, found again as libvirt writes it.

The VM's metadata holds a record of it: what was asked for, what stood in its places before
(`fleet:before`), and what libvirt made of it (`fleet:made`), by which it is found and taken out
again, and nothing else is. The last is known once libvirt has the definition. Where a run ended in
between, it follows from the two others and what is there now.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Union

from ansible_collections.kvm.fleet.plugins.module_utils import xmltext, xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.fragments import (
    At,
    Path,
    Slice,
    Unit,
    is_used,
    items_at,
    likest,
    made_place,
    place,
    set_value,
    sliced,
    take,
    value_at,
    without,
)
from ansible_collections.kvm.fleet.plugins.module_utils.xmltree import Element

RECORD = "metadata/fleet:resource/fleet:extra_xml"
MADE, BEFORE = "fleet:made", "fleet:before"
_NAMESPACES = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in xmltree.NAMESPACES.items())


@dataclass(frozen=True)
class Record:
    """What was put in: as it was asked for, what was there before, and what libvirt made of it."""

    asked: str
    before: Slice | None
    made: Slice | None  # None until it is known

    @property
    def slice(self) -> Slice:
        """What was asked for, part by part."""
        return sliced(_wrapped(self.asked))


# What libvirt has not kept of what was asked for.
Lost = Union[At, "tuple[Path, Unit]"]


# ---- the text


def canonical(text: str) -> str:
    """The fragments as they are recorded. ValueError when they are not well-formed."""
    return _written(_wrapped(text))


def _written(root: Element) -> str:
    return "".join(xmltree.serialise(part) for part in root)


def _wrapped(text: str) -> Element:
    document = f"<domain {_NAMESPACES}>{text}</domain>"
    xmltext.check_prefixes(document)
    root = xmltree.parse(document)
    if xmltext.plain(root.text).strip() or any((part.tail or "").strip() for part in root):
        raise ValueError("there is text outside of elements")
    _tidy(root)
    return root


def _tidy(element: Element) -> None:
    """Drop what libvirt drops: comments, and how it is indented. In metadata it keeps them."""
    if element.tag == "metadata":
        return
    for child in list(element):
        child.tail = None
        if xmltext.is_element(child):
            _tidy(child)
        else:
            element.remove(child)
    if len(element) and not (element.text or "").strip():
        element.text = None


# ---- the record


def recorded(domain: Element) -> str:
    """What was put into this domain earlier, as it was asked for."""
    return xmltree.get(domain, RECORD) or ""


def record_of(domain: Element) -> Record:
    """All that is known of what was put into this domain earlier."""
    element = xmltree.find(domain, RECORD)
    parts = {}
    for name in (BEFORE, MADE):
        text = None if element is None else xmltree.get(element, name)
        parts[name] = None if text is None else sliced(_wrapped(text))
    return Record(recorded(domain), parts[BEFORE], parts[MADE])


def _write_record(domain: Element, record: Record) -> None:
    xmltree.put(domain, f"{RECORD}!", None)
    if not record.asked:
        return
    element = xmltree.ensure(domain, RECORD)
    element.text = record.asked
    for name, part in ((BEFORE, record.before), (MADE, record.made)):
        if part is not None:
            xmltree.ensure(element, name).text = _written(_tree_of(part))


def _tree_of(part: Slice) -> Element:
    root = xmltree.Element("domain")
    for at, value in part.values.items():
        made_place(root, at[0])
        set_value(root, at, value)
    for path, unit in part.units():
        made_place(root, path).extend(xmltree.clone(element) for element in unit)
    _tidy(root)
    return root


def is_open(domain: Element) -> bool:
    """Whether it is still to be recorded what libvirt made of it."""
    element = xmltree.find(domain, RECORD)
    return element is not None and xmltree.find(element, MADE) is None


def close(domain: Element, sent: Element | None = None) -> list[str]:
    """Record what libvirt made of what was asked for; returns what it left out of it.

    `sent` is the definition that was given to libvirt, if nothing else was changed with it: what
    libvirt then added elsewhere (a console to a serial port) came along, and goes along.
    """
    record = record_of(domain)
    made, lost = _made(record, domain)
    if sent is not None:
        _add_what_came_along(made, sent, domain)
    theirs = _theirs(record)
    items = {path: [u for u in units if u] for path, units in theirs.items() if any(units)}
    values = record.before.values if record.before else {}
    _write_record(domain, Record(record.asked, Slice(values, items), made))
    return [_told(one) for one in lost]


def _told(lost: Lost) -> str:
    path, what = lost
    tags = "/".join(tag for tag, _key in path)
    if isinstance(what, list):
        return f"{tags}/{what[0].tag}"
    return f"{tags}/@{what}" if what else tags


# ---- what became of it


def found(domain: Element, *records: Record) -> str:
    """What was asked for in the first record of which the domain has all; `""` if there is none."""
    return next((record.asked for record in records if record.asked and holds(domain, record)), "")


def holds(domain: Element, record: Record) -> bool:
    """Whether a domain has all that was put in."""
    made, asked = record.made, record.slice
    if made is None:
        return not _made(record, domain)[1]
    left = {path: items_at(domain, path) for path in asked.items}
    values = {at: value for at, value in made.values.items() if at in asked.values}
    return all(_is_at(domain, at, value) for at, value in values.items()) and all(
        take(left[path], unit) is not None
        for path in asked.items
        for unit in made.items.get(path, [])
    )


def _is_at(domain: Element, at: At, value: str) -> bool:
    there = value_at(domain, at)
    # A port of -1 is one that is chosen at each start, and what runs has that.
    return there is not None and value.strip() in (there.strip(), "-1")


def lost_in(domain: Element, other: Element) -> list[str]:
    """What another form of a domain that is to be defined lacks of what was put in.

    What is QEMU's is no matter, it is in no form but that of its own driver.
    """
    lost = [_told(one) for one in _made(record_of(domain), other)[1]]
    return [one for one in lost if not one.startswith("qemu:")]


def overwritten(domain: Element) -> Iterator[tuple[str, str, str]]:
    """The path of each value that was there before, what it was, and what was put in its place."""
    record = record_of(domain)
    before = record.before.values if record.before else {}
    for at, value in record.slice.values.items():
        if at[1] is not None and at in before and before[at].strip() != value.strip():
            yield _told(at), before[at], value


def single_parts(text: str) -> Iterator[tuple[str, Element]]:
    """Each fragment alone, as what stands in a domain, with a name to call it by."""
    for part in _wrapped(text):
        if part.attrib or not len(part):
            yield part.tag, part
            continue
        for child in part:
            alone = xmltree.Element(part.tag)
            alone.append(child)
            yield f"{part.tag}/{child.tag}", alone


def _made(record: Record, now: Element) -> tuple[Slice, list[Lost]]:
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
        theirs = _theirs(record)[path]
        new = without(items_at(now, path), _flat(before.items.get(path, [])))
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


def _add_what_came_along(made: Slice, sent: Element, now: Element) -> None:
    was, whole = sliced(sent), sliced(now)
    for at, value in whole.values.items():
        if (at[0], None) not in was.values and at[0][0][0] != "metadata":
            made.values.setdefault(at, value)
    for path in whole.items.keys() - {(("metadata", ()),)}:
        there = without(_flat(whole.items[path]), _flat(was.items.get(path, [])))
        mine = _flat(made.items.get(path, []))
        new = [element for element in there if not any(element is one for one in mine)]
        made.items.setdefault(path, []).extend([element] for element in new)


def _theirs(record: Record) -> dict[Path, list[Unit | None]]:
    """For each item that was asked for, the one of somebody else that says all of it already."""
    before, theirs = record.before or Slice(), {}
    for path, units in record.slice.items.items():
        free = _flat(before.items.get(path, []))
        theirs[path] = [take(free, unit) for unit in units]
    return theirs


def _flat(units: list[Unit]) -> list[Element]:
    return [element for unit in units for element in unit]


# ---- editing


@dataclass
class _Stays:
    """What was put in earlier, is as libvirt made it, and is wanted again."""

    values: set[At]
    items: dict[Path, list[tuple[Unit, Unit]]]  # each as it was asked for, and as it is


def replace(domain: Element, text: str) -> None:
    """Take out what was put in earlier and is not wanted now, put the rest in, and record it.

    What stays keeps what libvirt added to it, such as the address at which the guest sees it.
    """
    wanted = sliced(_wrapped(text))
    stays = _take_out(domain, wanted)
    record = Record(text, _before(domain, wanted, stays), None)
    for at, value in wanted.values.items():
        made_place(domain, at[0])
        if at not in stays.values:
            set_value(domain, at, value)
    for path, units in wanted.items.items():
        kept = [asked for asked, _there in stays.items.get(path, [])]
        for unit, theirs in zip(units, _theirs(record)[path]):
            if theirs is None and not _drop(kept, unit):
                made_place(domain, path).extend(xmltree.clone(element) for element in unit)
    _write_record(domain, record)


def _take_out(domain: Element, wanted: Slice) -> _Stays:
    record = record_of(domain)
    made = record.made or _made(record, domain)[0]
    stays = _Stays(set(), {})
    _take_items(domain, record, made, wanted, stays)
    _take_values(domain, record, made, wanted, stays)
    for path in sorted({at[0] for at in made.values}, key=len, reverse=True):
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
        asked, theirs = record.slice.items.get(path, []), _theirs(record).get(path, [])
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
            set_value(domain, at, before.values.get(at))


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
        mine = [element for _, unit in stays.items.get(path, []) for element in unit]
        others = [e for e in items_at(domain, path) if not any(e is one for one in mine)]
        found.items[path] = [[element] for element in others if element.tag in tags]
    return found


def claimed(domain: Element) -> Iterator[tuple[Element, str]]:
    """The parts of a domain that were put in: an attribute `@name`, `text()`, all (`*`) or none.

    The record is among them.
    """
    record = record_of(domain)
    made = record.made or _made(record, domain)[0]
    for path, name in {**record.slice.values, **made.values}:
        element = place(domain, path)
        if element is not None:
            yield element, "" if name is None else f"@{name}" if name else "text()"
            yield from ((element, f"@{key}") for key, _value in path[-1][1])
    for path, units in made.items.items():
        left = items_at(domain, path)
        for unit in units:
            for element in take(left, unit, last=True) or ():
                yield element, "*"
    there = xmltree.find(domain, RECORD)
    if there is not None:
        yield there, "*"
