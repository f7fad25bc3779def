# SPDX-License-Identifier: GPL-3.0-or-later
"""What differs between what is wanted and what is there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from .changes import RESTART, STORED, Came, Change, Changed, Went
from .codecs import Value
from .keys import ABSENT, PRESENT, Key, Values, below, is_of_any, is_within, nested, within

# From a key, what runs and what is wanted: the effect.
EffectOf = Callable[[Key, Value, Value], str]


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
    changes: list[Change] = []
    things = _coming_and_going(want, stored, live)
    for key, after in _folded(want, things):
        look, meets = (_thing, _meets) if key in things else (dict.get, _same)
        before = look(stored, key)
        now = before if live is None else look(live, key)
        if meets(before, after) and meets(now, after):
            continue
        effect, parts = STORED, list[Change]()
        if live is not None and not meets(now, after):
            if key in things and ABSENT not in (now, after):
                effect, parts = _returned(resource, key, want, live, effect_of)
            else:
                effect = effect_of(key, now, after)
        if effect == RESTART and meets(before, after):
            continue
        if key in things:
            changes.append(_of_thing(resource, key, want, stored, (before, after, effect, now)))
        else:
            changes.append(Changed(resource, key, before, after, effect, now))
        changes += parts
    return changes


def _of_thing(
    resource: str,
    key: Key,
    want: Mapping[Key, Value],
    stored: Values,
    told: tuple[Value, Value, str, Value],
) -> Change:
    """A thing comes or goes, with all that stands below it."""
    goes = told[1] is ABSENT
    of_thing, has = (Went, stored) if goes else (Came, want)
    fields = {below: value for below, value in within(has, key).items() if below != key}
    final = "it only ran, and was stored nowhere" if goes and told[0] is ABSENT else ""
    return of_thing(resource, key, *told, final=final, fields=fields)


def _returned(
    resource: str, thing: Key, want: Mapping[Key, Value], live: Values, effect_of: EffectOf
) -> tuple[str, list[Change]]:
    """What becomes of a thing that is stored no more but runs still, and is wanted again.

    Its class, which is that of what has to wait, and the changes of what can be had at once.
    """
    waits = False
    parts: list[Change] = []
    for key, after in want.items():
        now = live.get(key)
        if not is_within(key, thing) or key == thing or _same(now, after):
            continue
        effect = effect_of(key, now, after)
        waits = waits or effect == RESTART
        if effect != RESTART:
            parts.append(Changed(resource, key, now, after, effect, now))
    return (RESTART if waits else STORED), parts


def waiting(resource: str, stored: Values, live: Values) -> list[Change]:
    """The fields in which what is stored differs from what runs, whoever changed it."""
    gone = {key: ABSENT for key, value in live.items() if value is PRESENT and key not in stored}
    comes = [key for key, value in stored.items() if value is PRESENT and key not in live]
    said = {k: v for k, v in stored.items() if not (v in _SAYS_NOTHING and is_of_any(k, comes))}
    differ = compare(resource, {**said, **gone}, live, None, lambda *_: RESTART)
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
            yield key, (nested(below(want, key)) or PRESENT) if value is PRESENT else value
        elif not (things and is_of_any(key, things)):
            yield key, value


def _thing(have: Values, key: Key) -> Value:
    """A thing in a list with the fields that say anything, or ABSENT."""
    if key not in have:
        return ABSENT
    fields = below(have, key)
    return nested({k: v for k, v in fields.items() if v not in _SAYS_NOTHING}) or PRESENT


_SAYS_NOTHING: tuple[Value, ...] = (None, "", 0, False, "0B", "default", "permissive", {}, [])


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
