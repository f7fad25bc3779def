# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices that others made alike: two NICs with one MAC address, two channels with one name.

All are told, as NAME#1, NAME#2 and so on, and can be declared by these names. A declaration whose
name fits several is refused: nobody knows which is meant.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ...engine.codecs import Value
from ...engine.errors import Mistakes
from ...engine.keys import ABSENT, PRESENT, UNION, Key, Values, named, out_of_turn, twins_of
from . import device_rows
from .device_names import DEVICE_NAME

FIRST = "#1"
NUMBERED = re.compile(r"#\d+$")
CHANNELS = "channels"  # of which libvirt takes any name
OF_ALIASES = {row.name for row in device_rows.EVERY if row.key[1] is DEVICE_NAME}


def is_any(values: Mapping[Key, Value]) -> bool:
    """Whether anything has a number; asked first, since it hardly ever is so."""
    things = (key for key, value in values.items() if value is PRESENT or value is ABSENT)
    return any(len(key) == 2 and "#" in key[1] for key in things)


def with_numbers(values: Values) -> Values:
    """The values as they are told: the first of several has a number like the others."""
    if not is_any(values):
        return values
    firsts = {key for key in values if len(key) == 2 and twins_of(values, key)}
    return {
        (key[0], f"{key[1]}{FIRST}", *key[2:]) if key[:2] in firsts else key: value
        for key, value in values.items()
    }


def by_tree_names(want: Mapping[Key, Value], stored: Values) -> Mapping[Key, Value]:
    """What is wanted of the first of several, by the name that it has in the tree."""
    if not is_any(stored):
        return want
    return {_by_tree_name(key, stored): value for key, value in want.items()}


def _by_tree_name(key: Key, stored: Values) -> Key:
    if len(key) < 2 or not key[1].endswith(FIRST):
        return key
    thing = (key[0], key[1][: -len(FIRST)])
    return (*thing, *key[2:]) if twins_of(stored, thing) else key


def check_names(want: Mapping[Key, Value], stored: Values, mistakes: Mistakes) -> None:
    """What a thing is called, as written, has to fit one that is there, or be a new name."""
    things = [key for key in want if len(key) == 2 and want[key] in (PRESENT, ABSENT)]
    alike = is_any(stored)
    for key in things:
        if alike and _by_tree_name(key, stored) != key and not _would_be_renamed(key, want, stored):
            continue
        address = (key[0], str(want.get((*key, "mac"))))
        twins = (twins_of(stored, key) or twins_of(stored, address)) if alike else []
        if _would_be_renamed(key, want, stored):
            message = (
                "is known by this MAC address only, and cannot get another under this name; "
                "take it away (state: absent) and declare one that has a name and the mac"
            )
            mistakes.add(message, named((*key, "mac")))
        elif twins and key not in twins[1:]:
            mistakes.add(_fits_several(twins, stored), named(key))
        elif key[0] == "nics" and ":" in key[1] and want[key] is PRESENT and key not in stored:
            message = "no NIC is known by this MAC address; give the new one a name and a mac"
            mistakes.add(message, named(key))
        elif "#" in key[1] and want[key] is PRESENT and _is_new_of_ours(key, stored):
            message = "nothing there has this name; a new one has letters, digits, - and _ in it"
            mistakes.add(message, named(key))
        elif key[0] == CHANNELS and NUMBERED.search(key[1]) and _is_new(key, want, stored):
            message = "ends as the name of one of several that are alike; give the new one another"
            mistakes.add(message, named(key))


def check_going(want: Mapping[Key, Value], stored: Values, mistakes: Mistakes) -> None:
    """The last of several may go, and all of them: what stays then has the number that it had."""
    if not is_any(stored):
        return
    for going, first, last in out_of_turn(want, stored):
        mistakes.add(
            f"is to go, but {_called(last, first)}, which is alike and stays, would then "
            "have its number; take away the last of them, or this one by virsh detach-device",
            named((*going[:-1], _called(going, first))),
        )


def _is_new(key: Key, want: Mapping[Key, Value], stored: Values) -> bool:
    return want[key] is PRESENT and key not in stored


def _is_new_of_ours(key: Key, stored: Values) -> bool:
    """Whether it is to be made, with its name in libvirt's alias, which has no such letter."""
    return key not in stored and key[0] in OF_ALIASES


def _called(twin: Key, first: Key) -> str:
    return f"{twin[-1]}{FIRST}" if twin == first else twin[-1]


def _would_be_renamed(key: Key, want: Mapping[Key, Value], stored: Values) -> bool:
    """Whether a NIC that others made is to lose the MAC address by which it is known."""
    mac, there = (*key, "mac"), _by_tree_name(key, stored)
    has = stored.get((*there, "mac"))
    return ":" in key[1] and mac in want and there in stored and want[mac] != has


def _fits_several(twins: list[Key], stored: Values) -> str:
    told = (f"{_called(twin, twins[0])} ({_what(twin, stored)})" for twin in twins)
    return f"fits several; name the one that is meant: {'; '.join(told)}"


def _what(thing: Key, stored: Values) -> str:
    """What a thing stands on and what it is, for a reader to tell it from its like."""
    stands_on = stored.get((*thing, UNION)) or {}
    said = {**stands_on, **{at: stored.get((*thing, at)) for at in ("model", "path")}}
    return ", ".join(f"{name} {value}" for name, value in said.items() if value) or "no options"
