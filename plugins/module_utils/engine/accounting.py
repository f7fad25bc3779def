# SPDX-License-Identifier: GPL-3.0-or-later
"""Every edit is accounted for: what differs between two definitions is of a change in the plan.

A kind keeps books (`Books`): its tables, which say what a change owns in the XML, and what is
edited along with something else because libvirt wants both to agree (`Consequence`). `audited`
makes a change of each consequence that took place, so that a plan shows it, and raises where
anything else differs: that would be a fault of ours, found before anything is touched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Optional

from . import xmltree
from .changes import Along, Change, WentAlong
from .codecs import Value
from .errors import FleetError
from .fields import Composed, Field, Items, Listed, Mapped, Rows, Sharing, Variant, items_of
from .hidden import Sensitive, partly_sensitive
from .keys import ABSENT, Key, is_within, key_of, overlap
from .plan import Plan
from .secret_words import swap_in_words
from .sensitive import is_secret
from .tree_diff import TEXT, WHOLE, Pairs, differences
from .xmltree import Element

# One thing before and after; None where it is not there.
Sides = tuple[Optional[Element], Optional[Element]]


@dataclass(frozen=True)
class Consequence:
    """What is edited along with an option, and shown in the plan under a name of its own.

    `paths` are ElementTree's, of elements that are owned whole, of all but the first of them
    (`devices/rng[+]`), or of an attribute (`cpu/@check`). With `[~ua-rng-]` they are those of what
    has no such alias. `of` names the options that it hangs on;
    nothing else may bring it about. With `above` it stands in each thing of that list, and paths
    and options are those of the thing, but for options that begin with a slash.
    """

    name: str
    paths: tuple[str, ...]
    of: tuple[str, ...]
    note: str
    above: str = ""
    told: Callable[[list[Value]], Value] | None = None
    silent: bool = False  # what says nothing: libvirt's own normalisation of what changes
    is_thing: bool = False  # what a plan has to count among what it removes


# A consequence, the elements that it stands in on both sides, and its key.
Standing = tuple[Consequence, Element, Element, Key]


@dataclass(frozen=True)
class Part:
    """A table, the element that it is a table of, and the key under which its values stand."""

    rows: Rows
    element: Element | None
    under: Key = ()


@dataclass(frozen=True)
class Books:
    """What the engine has to know of a kind to account for its edits.

    `parts` lays the tables over a tree. `owned` claims what a change owns that is no
    row's.
    """

    parts: Callable[[Element], list[Part]]
    consequences: tuple[Consequence, ...] = ()
    owned: Callable[[Change, Element, Element, Claims], None] = lambda *_: None


@dataclass
class Claims:
    """What is accounted for, of each element (by its id): attributes, its text, or all of it."""

    of: dict[int, set[str]] = field(default_factory=dict)

    def add(self, element: Element, part: str) -> None:
        """Account for one part of an element, and for that the element is there."""
        self.of.setdefault(id(element), set()).add(part)

    def path(self, element: Element, path: str) -> None:
        """Account for the value at a path of a table, as `xmltree.put` would edit it."""
        steps, attr = xmltree.compile_path(path)
        chain = list(xmltree.along(element, path))
        for found, step in chain:
            self.add(found, f"@{step.attr}" if step.attr else "")
            if step.owner:
                self.add(found, WHOLE)
        if len(chain) == len(steps):
            self.add(chain[-1][0] if chain else element, f"@{attr}" if attr else TEXT)

    def all_of(self, paths: Iterable[str], *elements: Element) -> None:
        """Account for all that a consequence's paths find."""
        for path in paths:
            for element in elements:
                for found, part in matches(element, path):
                    self.add(found, part)


def matches(element: Element, path: str) -> Iterator[tuple[Element, str]]:
    """The elements that a consequence's path finds, and the part of each that it is about."""
    if "[~" in path:
        yield from _of_others(element, *path.partition("]")[::2])
        return
    above, _slash, last = path.rpartition("/")
    if not last.startswith("@"):
        rest = last.endswith("[+]")
        for found in element.findall(path[:-3])[1:] if rest else element.findall(path):
            yield found, WHOLE
        return
    for found in element.findall(above) if above else [element]:
        if last[1:] in found.attrib:
            yield found, last


def _of_others(element: Element, path: str, rest: str) -> Iterator[tuple[Element, str]]:
    """What a path finds that begins with a step to what has no alias of ours."""
    every = xmltree.find_all(element, f"{path}]")
    if rest.startswith("/"):
        for found in every[:1]:
            yield from matches(found, rest[1:])
        return
    for found in every[1:] if rest else every:
        yield found, WHOLE


# ---- the audit of a plan


def audited(books: Books, plan: Plan) -> Plan:
    """The plan with every consequence as a change. FleetError if an edit is not accounted for."""
    before, after = plan.have.stored, plan.after.stored
    if before is None or after is None or before is after or not plan.changed:
        return plan
    standing = list(_standing(books, before, after))
    plan = replace(plan, changes=(*plan.changes, *_consequences(plan, standing)))
    left = unaccounted(books, plan.changes, before, after, standing)
    if left:
        raise FleetError(
            f"{', '.join(left)} of its definition would be edited too, for which no change in the "
            "plan accounts, so nothing is done. This is a fault of kvm.fleet: please report it "
            "with the declaration and the definition (virsh dumpxml --inactive, net-dumpxml, "
            "pool-dumpxml or vol-dumpxml)",
            plan.resource,
        )
    return plan


def unaccounted(
    books: Books,
    changes: Iterable[Change],
    before: Element,
    after: Element,
    standing: Iterable[Standing],
) -> list[str]:
    """The paths of what differs and belongs to no change."""
    claims, pairs = Claims(), Pairs()
    changes = tuple(changes)
    for was, will in zip(books.parts(before), books.parts(after)):
        _pair(was, will, pairs)
        for change in changes:
            _claim(change.field, was, will, claims)
    for change in changes:
        books.owned(change, before, after, claims)
    for consequence, one, other, _key in _following(changes, standing):
        claims.all_of(consequence.paths, one, other)
    return list(differences(before, after, pairs, claims.of))


# ---- what a change owns


def _claim(key: Key, before: Part, after: Part, claims: Claims) -> None:
    if not is_within(key, before.under):
        return
    elements = (before.element, after.element)
    _claim_rows(before.rows, key[len(before.under) :], elements, claims)


def _claim_rows(rows: Rows, key: Key, sides: Sides, claims: Claims) -> None:
    """Account for what a key owns on both sides; the empty key owns all that the rows are about."""
    for row in rows:
        own = key_of(row.name)
        if isinstance(row, Items):
            if not key or overlap(key, own):
                _claim_items(row, key[len(own) :], sides, claims)
        elif not key or is_within(own, key) or _is_field_of(row, key):
            for side in sides:
                if side is not None:
                    _claim_row(row, side, claims)


def _is_field_of(row: Field | Variant, key: Key) -> bool:
    """Whether a key is that of an option which a union has in one of its cases."""
    return isinstance(row, Variant) and any(
        key == key_of(one.name) for case in row.cases.values() for one in case
    )


def _claim_row(row: Field | Variant, element: Element, claims: Claims) -> None:
    if isinstance(row, (Mapped, Listed)):
        for pair in xmltree.find_all(element, row.path):
            claims.add(pair, WHOLE)
        for above, _step in xmltree.along(element, row.path.rpartition("/")[0]):
            claims.add(above, "")
        return
    if isinstance(row, Sharing):
        claims.path(element, f"{row.path}!")
        return
    if isinstance(row, Composed):
        _claim_parts(row, element, claims)
        return
    claims.path(element, row.path)
    if isinstance(row, Variant):
        for case in row.cases.values():
            for one in case:
                _claim_row(one, element, claims)


def _claim_parts(row: Composed, element: Element, claims: Claims) -> None:
    for place in filter(None, (row.path, *row.places())):
        claims.path(element, place)
    for part, _attributes in row.elements_in(element):
        claims.add(part, WHOLE)


def _claim_items(row: Items, rest: Key, sides: Sides, claims: Claims) -> None:
    there = [{} if side is None else items_of(row, side) for side in sides]
    for name in dict.fromkeys([*there[0], *there[1]]):
        if rest and rest[0] != name:
            continue
        mine = (there[0].get(name), there[1].get(name))
        if None in mine:
            for side, element in zip(sides, mine):
                if side is not None and element is not None:
                    claims.add(element, WHOLE)
                    for above, _step in xmltree.along(side, row.path.rpartition("/")[0]):
                        claims.add(above, "")
        else:
            _claim_rows(row.rows, rest[1:], mine, claims)


def _pair(before: Part, after: Part, pairs: Pairs) -> None:
    """Things of a list that have one name on both sides are the same thing."""
    if before.element is None or after.element is None:
        return
    pairs.add(before.element, after.element)
    for row in before.rows:
        if isinstance(row, Items):
            for _name, one, other in _on_both(row, before.element, after.element):
                pairs.add(one, other)


# ---- consequences


def _standing(books: Books, before: Element, after: Element) -> Iterator[Standing]:
    """Every consequence with the elements that it stands in on both sides, and its key."""
    things = {key: tuple(both) for key, both in _things(books, before, after)}
    for consequence in books.consequences:
        own = key_of(consequence.name)
        if not consequence.above:
            yield consequence, before, after, own
            continue
        above = key_of(consequence.above)
        for name, one, other in things[above]:
            yield consequence, one, other, (*above, name, *own)


def _things(
    books: Books, before: Element, after: Element
) -> Iterator[tuple[Key, Iterator[tuple[str, Element, Element]]]]:
    """Each list of things by its key, with what is in it on both sides."""
    for part, other in zip(books.parts(before), books.parts(after)):
        for row in part.rows:
            if isinstance(row, Items):
                yield (*part.under, *key_of(row.name)), _on_both(row, part.element, other.element)


def _on_both(
    row: Items, before: Element | None, after: Element | None
) -> Iterator[tuple[str, Element, Element]]:
    if before is None or after is None:
        return
    there = items_of(row, after)
    for name, item in items_of(row, before).items():
        if name in there:
            yield name, item, there[name]


def _following(changes: Iterable[Change], standing: Iterable[Standing]) -> Iterator[Standing]:
    """The consequences that changes may have."""
    changed = [change.field for change in changes]
    return (one for one in standing if _hangs(one[0], one[3], changed))


def _consequences(plan: Plan, standing: Iterable[Standing]) -> Iterator[Change]:
    shown = {change.field for change in plan.changes}  # by a row, which says more
    for consequence, one, other, key in _following(plan.changes, standing):
        if key in shown:
            continue
        was, will = _told(consequence, one), _told(consequence, other)
        if was != will and not consequence.silent:
            if isinstance(was, dict) and isinstance(will, dict):
                less, more = _apart(was, will), _apart(will, was)
                was, will = less or ABSENT, more or ABSENT
            goes = consequence.is_thing and will is ABSENT
            along = WentAlong if goes else Along
            yield along(plan.resource, key, was, will, note=consequence.note)


def _apart(one: dict[str, Value], other: dict[str, Value]) -> dict[str, Value]:
    """What the one says otherwise than the other."""
    return {name: value for name, value in one.items() if other.get(name) != value}


def _hangs(consequence: Consequence, key: Key, changed: Iterable[Key]) -> bool:
    """Whether one of the options changes that a consequence hangs on."""
    above = key[: len(key) - len(key_of(consequence.name))]
    for option in _options_of(consequence.of, above):
        size = len(option)
        for at in changed:
            if at[:size] == option[: len(at)]:  # as `overlap` says, which is asked too often here
                return True
    return False


@lru_cache(maxsize=4096)
def _options_of(names: tuple[str, ...], above: Key) -> tuple[Key, ...]:
    """The keys of the options that a consequence of a thing hangs on."""
    return tuple(
        key_of(name[1:]) if name.startswith("/") else (*above, *key_of(name)) for name in names
    )


def _told(consequence: Consequence, element: Element) -> Value:
    """What stands at a consequence's paths: one value, a list of several, or each by its name."""
    said: dict[str, list[Value]] = {}
    for path in consequence.paths:
        for found, part in matches(element, path):
            attribute = part[1:] if part != WHOLE else ""
            value = _kept(attribute, found.get(attribute)) if attribute else plain(found)
            said.setdefault(attribute or str(found.tag), []).append(value)
    if not said:
        return ABSENT
    if consequence.told is not None:
        every = [value for values in said.values() for value in values]
        return consequence.told(every) or ABSENT
    each = {name: values[0] if len(values) == 1 else values for name, values in said.items()}
    return each if len(consequence.paths) > 1 else next(iter(each.values()))


def plain(element: Element) -> Value:
    """An element as plain values: its text, or a dictionary of its attributes and children."""
    said: dict[str, Value] = {k: _kept(k, v) for k, v in element.attrib.items()}
    for part in xmltree.elements(element):
        name, here = str(part.tag), plain(part)
        if name in said:
            before = said[name]
            said[name] = [*(before if isinstance(before, list) else [before]), here]
        else:
            said[name] = here
    text = _kept(str(element.tag), (element.text or "").strip())
    if not said:
        return text
    return {**said, "text": text} if text else said


def _kept(name: str, value: str | None) -> Value:
    if value and name == "query":  # of a URL, in which secrets have names of their own
        return partly_sensitive(value, lambda gap: swap_in_words(value, gap))
    return Sensitive(value) if value and is_secret(name) else value
