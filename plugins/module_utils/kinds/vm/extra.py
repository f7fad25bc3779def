# SPDX-License-Identifier: GPL-3.0-or-later
"""XML that the table has no option for: put in as written, found again as libvirt writes it.

The VM's metadata holds a record of it: what was asked for, what stood in its places before
(`fleet:before`), and what libvirt made of it (`fleet:made`), by which it is found and taken out
again, and nothing else is. The last is known once libvirt has the definition. Where a run ended in
between, it follows from the two others and what is there now.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...engine import xmltree
from ...engine.xmltree import Element
from . import extra_edit, extra_record
from .extra_made import Lost, add_controllers, add_what_came_along, made_of, theirs_of
from .extra_record import MADE, Record, record_of, write_record
from .fragments import At, Slice, items_at, place, take, value_at
from .table import EXTRA_RECORD

_DEVICES = (("devices", ()),)
canonical, recorded = extra_record.canonical, extra_record.recorded
seal, sealed = extra_record.seal, extra_record.sealed
replace, single_parts = extra_edit.replace, extra_record.single_parts

# Options at whose change libvirt adds nothing to a VM, and extra_xml itself.
BRING_NO_DEVICE = (
    *("extra_xml", "title", "description", "tags", "protected", "scope", "group", "template"),
    *("clock", "on_poweroff", "on_reboot", "on_crash"),
)


def is_open(domain: Element) -> bool:
    """Whether it is still to be recorded what libvirt made of it."""
    element = xmltree.find(domain, EXTRA_RECORD)
    return element is not None and xmltree.find(element, MADE) is None


def close(domain: Element, sent: Element, alone: bool) -> list[str]:
    """Record what libvirt made of what was asked for; returns what it left out of it.

    `sent` is the definition that was given to libvirt. If nothing else was changed with it, all
    that libvirt then added elsewhere (a console to a serial port) came along, and goes along;
    else the controllers did that serve only what was asked for.
    """
    record = record_of(domain)
    made, lost = made_of(record, domain)
    (add_what_came_along if alone else add_controllers)(made, sent, domain)
    theirs = theirs_of(record)
    items = {path: [u for u in units if u] for path, units in theirs.items() if any(units)}
    values = record.before.values if record.before else {}
    write_record(domain, Record(record.asked, Slice(values, items), made))
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
    asked = (record.asked for record in records if record.asked and holds(domain, record))
    return extra_record.as_value(next(asked, ""))


def holds(domain: Element, record: Record) -> bool:
    """Whether a domain has all that was put in."""
    made, asked = record.made, record.slice
    if made is None:
        return not made_of(record, domain)[1]
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
    lost = [_told(one) for one in made_of(record_of(domain), other)[1]]
    return [one for one in lost if not one.startswith("qemu:")]


def not_given_back(domain: Element, after: Element) -> list[str]:
    """The paths of what is taken out where another secret stood before, of which none is kept."""
    return [_told(at) for at in extra_edit.lost_before(domain, after)]


def overwritten(domain: Element) -> Iterator[tuple[str, str, str]]:
    """The path of each value that was there before, what it was, and what was put in its place."""
    record = record_of(domain)
    before = record.before.values if record.before else {}
    for at, value in record.slice.values.items():
        if at[1] is not None and at in before and before[at].strip() != value.strip():
            yield _told(at), before[at], value


def devices_in(domain: Element, *records: Record) -> set[int]:
    """The devices of a domain that came by extra_xml as some records say, by their identity.

    What was there before it is none, be it asked for or not, nor what an option, or somebody else,
    has made another since.
    """
    found: set[int] = set()
    for record in records:
        part = record.made or made_of(record, domain)[0]
        theirs, left = theirs_of(record).get(_DEVICES, []), items_at(domain, _DEVICES)
        for number, unit in enumerate(part.items.get(_DEVICES, ())):
            taken = take(left, unit, last=True) or ()
            if number >= len(theirs) or theirs[number] is None:
                found |= {id(element) for element in taken}
        before = record.before.values if record.before else {}
        said = [at for at in part.values if at[0][:1] == _DEVICES and len(at[0]) > 1]
        others = {at[0][:2] for at in said if not _is_at(domain, at, part.values[at])}
        above = {path[:2] for path, _name in said} - others
        new = (path for path in above if (path, None) not in before)
        found |= {id(place(domain, path)) for path in new}
    return found - {id(None)}


def claimed(domain: Element, other: Element) -> Iterator[tuple[Element, str]]:
    """The parts of a domain that were put in: an attribute `@name`, `text()`, all (`*`) or none.

    The record is among them, and the places of what was put into its other form.
    """
    parts = []
    for form in (domain, other):
        record = record_of(form)
        parts += [record.made or made_of(record, form)[0], record.slice]
    for path, name in {at for part in parts for at in part.values}:
        element = place(domain, path)
        if element is not None and len(path) > 1 and path[0][0] == "devices":
            yield element, "*"  # a device: another change may be about one that was there before
        elif element is not None:
            yield element, "" if name is None else f"@{name}" if name else "text()"
            yield from ((element, f"@{key}") for key, _value in path[-1][1])
    for path, units in parts[0].items.items():
        left = items_at(domain, path)
        for unit in units:
            yield from ((element, "*") for element in take(left, unit, last=True) or ())
    there = xmltree.find(domain, EXTRA_RECORD)
    if there is not None:
        yield there, "*"
