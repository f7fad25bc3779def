# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan: what differs between what is wanted and what is there, as data and as text."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .codecs import Value
from .fields import ABSENT, PRESENT, Key, Values, named
from .xmltree import Element

# What a change does to a resource that runs.
STORED = "stored"  # only the stored definition: the resource does not run, or runs so already
LIVE = "live"  # takes effect now
HOTPLUG = "hotplug"  # takes effect now, as a device that comes or goes
RESTART = "restart"  # stored now, takes effect when the resource is next started
RECREATE = "recreate"  # impossible on what exists; never done, always an error

# What happens to a resource as a whole.
NONE, CREATE, UPDATE, DELETE = "none", "create", "update", "delete"

# What a plan says of data that is left when its resource goes. It is told, but is no change.
STAYS = "kept"


@dataclass(frozen=True)
class Wanted:
    """One declaration after validation: plain values, and how to go about it."""

    kind: str
    name: str
    state: str
    values: Values = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    needs: frozenset[tuple[str, str]] = frozenset()  # (kind, name) that must be there first
    pruned: bool = False  # no user wrote it: it goes because nothing declares it
    inherited: Mapping[str, str] = field(default_factory=dict)  # options, and where they stand

    @property
    def resource(self) -> str:
        """How errors and plans call it: `vm/web`."""
        return f"{self.kind}/{self.name}"


@dataclass(frozen=True)
class Have:
    """One resource as it is: both its definitions as trees, and facts that are not XML."""

    kind: str
    name: str
    stored: Element | None = None
    live: Element | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def exists(self) -> bool:
        """Whether it is there at all."""
        return self.stored is not None

    @property
    def definition(self) -> Element:
        """The stored definition of what exists."""
        if self.stored is None:
            raise LookupError(f"{self.kind}/{self.name} has no definition")
        return self.stored

    @property
    def running(self) -> Element:
        """The definition that runs, of what does run."""
        if self.live is None:
            raise LookupError(f"{self.kind}/{self.name} does not run")
        return self.live


@dataclass(frozen=True)
class Change:
    """One field that a run changes: from what, to what, and with which effect."""

    resource: str
    field: Key
    before: Value
    after: Value
    effect: str
    live: Value = None  # what runs at present, where that is not `before`
    applier: str = ""
    note: str = ""

    def result(self) -> dict[str, Any]:
        """The change as a module returns it."""
        said = {
            "resource": self.resource,
            "field": named(self.field),
            "before": self.before,
            "after": self.after,
            "class": self.effect,
        }
        if self.live is not None and self.live != self.before:
            said["live"] = self.live
        if self.note:
            said["note"] = self.note
        return said


@dataclass(frozen=True)
class Plan:
    """All that a run does to one resource, and how it is predicted to be afterwards."""

    wanted: Wanted
    action: str
    have: Have
    after: Have  # what the resource will be; its trees are what gets defined
    changes: tuple[Change, ...] = ()
    pending: tuple[Change, ...] = ()  # fields that will wait for a restart
    warnings: tuple[str, ...] = ()

    @property
    def resource(self) -> str:
        """How errors and plans call it: `vm/web`."""
        return self.wanted.resource

    @property
    def changed(self) -> bool:
        """Whether a run does anything."""
        return self.action != NONE


# From a key, what runs and what is wanted: the effect, and the applier that brings it about.
EffectOf = Callable[[Key, Value, Value], "tuple[str, str]"]


def compare(
    resource: str,
    want: Mapping[Key, Value],
    stored: Values,
    live: Values | None,
    effect_of: EffectOf,
) -> list[Change]:
    """The changes from what is stored and running to what is wanted.

    `live` is None for what does not run. A field that is stored as wanted and waits for a restart
    is no change: a run does nothing about it.
    """
    changes = []
    things = _coming_and_going(want, stored, live)
    for key, after in _folded(want, things):
        look, meets = (_thing, _meets) if key in things else (dict.get, _same)
        before = look(stored, key)
        now = before if live is None else look(live, key)
        if meets(before, after) and meets(now, after):
            continue
        effect, applier = STORED, ""
        parts: list[Change] = []
        if live is not None and not meets(now, after):
            if key in things and ABSENT not in (now, after):
                effect, parts = _returned(resource, key, want, live, effect_of)
            else:
                effect, applier = effect_of(key, now, after)
        if effect == RESTART and meets(before, after):
            continue
        changes.append(Change(resource, key, before, after, effect, now, applier))
        changes += parts
    return changes


def _returned(
    resource: str, thing: Key, want: Mapping[Key, Value], live: Values, effect_of: EffectOf
) -> tuple[str, list[Change]]:
    """What becomes of a thing that is stored no more but runs still, and is wanted again.

    Its class, which is that of what has to wait, and the changes of what can be had at once.
    """
    size, waits = len(thing), False
    parts: list[Change] = []
    for key, after in want.items():
        now = live.get(key)
        if key[:size] != thing or key == thing or _same(now, after):
            continue
        effect, applier = effect_of(key, now, after)
        waits = waits or effect == RESTART
        if effect != RESTART:
            parts.append(Change(resource, key, now, after, effect, now, applier))
    return (RESTART if waits else STORED), parts


def waiting(resource: str, stored: Values, live: Values) -> list[Change]:
    """The fields in which what is stored differs from what runs, whoever changed it."""
    gone = {key: ABSENT for key, value in live.items() if value is PRESENT and key not in stored}
    differ = compare(resource, {**stored, **gone}, live, None, lambda *_: (RESTART, ""))
    return [replace(change, effect=RESTART) for change in differ]


def _coming_and_going(want: Mapping[Key, Value], *haves: Values | None) -> set[Key]:
    """The things in lists that are wanted but missing somewhere, or not wanted."""
    return {
        key
        for key, value in want.items()
        if value is ABSENT
        or (value is PRESENT and any(have is not None and key not in have for have in haves))
    }


def _folded(want: Mapping[Key, Value], things: set[Key]) -> Iterable[tuple[Key, Value]]:
    """The wanted keys; the fields of a thing that comes or goes fold into that thing."""
    for key, value in want.items():
        if key in things:
            yield key, (_below(want, key) or PRESENT) if value is PRESENT else value
        elif not any(key[: len(thing)] == thing for thing in things):
            yield key, value


def _below(values: Mapping[Key, Value], above: Key) -> dict[str, Value]:
    size = len(above)
    return nested({k[size:]: v for k, v in values.items() if k[:size] == above and k != above})


def _thing(have: Values, key: Key) -> Value:
    """A thing in a list with the fields that say anything, or ABSENT."""
    if key not in have:
        return ABSENT
    return _below({k: v for k, v in have.items() if v not in _SAYS_NOTHING}, key) or PRESENT


_SAYS_NOTHING: tuple[Value, ...] = (None, "", 0, False, "0B", "default", {})


def _same(found: Value, after: Value) -> bool:
    """Whether a field is as wanted, as a whole; one empty drive is as good as another."""
    if isinstance(found, dict) and isinstance(after, dict) and found and after:
        said = [value for value in (*found.values(), *after.values()) if value]
        return found == after or not said
    return bool(found == after)


def _meets(found: Value, after: Value) -> bool:
    """Whether a found value is what is wanted; a thing need only have what was said of it."""
    if after is ABSENT or found is ABSENT:
        return found is after
    if after is PRESENT:
        return True
    if found is PRESENT:
        found = {}  # a thing of whose fields none says anything
    if isinstance(after, dict) and isinstance(found, dict):
        return all(_has(found, key, value) for key, value in after.items())
    return bool(found == after)


def _has(thing: Mapping[str, Value], key: str, value: Value) -> bool:
    """Whether a thing has a value; one that says nothing it also has by not having the key."""
    if isinstance(value, dict):
        return _meets(thing.get(key, {}), value)
    return _meets(thing.get(key), value) or (key not in thing and value in _SAYS_NOTHING)


# ---- showing


def nested(values: Mapping[Key, Value]) -> dict[str, Any]:
    """Values by key as the dictionary of dictionaries that a user would write."""
    tree: dict[str, Any] = {}
    for key, value in values.items():
        place = tree
        for part in key[:-1]:
            below = place.get(part)
            place[part] = below if isinstance(below, dict) else {}
            place = place[part]
        if not (value is PRESENT and isinstance(place.get(key[-1]), dict)):
            place[key[-1]] = value
    return tree


def to_yaml(value: Any, comments: Mapping[Key, str] | None = None) -> str:
    """YAML text of plain values. (PyYAML is not promised on a target host.)"""
    if isinstance(value, dict) and not value:
        return ""
    return "".join(f"{line}\n" for line in _lines(value, comments or {}, ()))


def _lines(value: Any, comments: Mapping[Key, str], at: Key) -> Iterable[str]:
    if isinstance(value, dict):
        for key in sorted(value, key=str):
            here = (*at, str(key))
            yield from _entry(f"{_scalar(str(key))}:", value[key], comments, here)
    else:
        for item in value:
            yield from _entry("-", item, comments, at)


def _entry(head: str, value: Any, comments: Mapping[Key, str], at: Key) -> Iterable[str]:
    comment = comments.get(at, "")
    if isinstance(value, (dict, list, tuple)) and value:
        yield f"{head}{comment}"
        for line in _lines(value, comments, at):
            yield f"  {line}"
    else:
        yield f"{head} {_scalar(value)}{comment}"


def _scalar(value: Any) -> str:
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z/_][\w/.+:@-]*(?<!:)", value):
        return json.dumps(value) if value.lower() in _WORDS else value
    return json.dumps(value)


_WORDS = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"}
