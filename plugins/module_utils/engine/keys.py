# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys: the path of names under which a user knows a value, and what stands below one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, TypeVar

from .codecs import Value

Key = tuple[str, ...]
Values = dict[Key, Value]


class Presence(str):
    """Whether a thing in a list is there. Compared by identity: a text may be "present" too."""


PRESENT, ABSENT = Presence("present"), Presence("absent")

# What every Variant is called. Users know only the fields of its cases.
UNION = "source"


def named(key: Key) -> str:
    """A key as users write it: `disks.root.bus`."""
    return ".".join(key)


@lru_cache(maxsize=1024)
def key_of(name: str) -> Key:
    """The key of a dotted row name."""
    return tuple(name.split("."))


def parent(key: Key) -> Key:
    """The key above: of an option of a thing that of the thing."""
    return key[:-1]


def beside(key: Key, name: str) -> Key:
    """The key of another option of the same thing."""
    return (*key[:-1], name)


def is_within(key: Key, above: Key) -> bool:
    """Whether a key is another or stands below it."""
    return key[: len(above)] == above


def overlap(key: Key, other: Key) -> bool:
    """Whether one of two keys is within the other."""
    return key[: len(other)] == other[: len(key)]


def is_of_any(key: Key, aboves: Iterable[Key]) -> bool:
    """Whether a key is one of others or stands below one."""
    return any(key[: len(above)] == above for above in aboves)


Kept = TypeVar("Kept")


def within(values: Mapping[Key, Kept], above: Key) -> dict[Key, Kept]:
    """What stands at a key and below it."""
    size = len(above)
    return {key: value for key, value in values.items() if key[:size] == above}


def below(values: Mapping[Key, Kept], above: Key) -> dict[Key, Kept]:
    """What stands below a key, by the rest of its own."""
    size = len(above)
    return {
        key[size:]: value
        for key, value in values.items()
        if key[:size] == above and len(key) > size
    }


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


def twins_of(values: Mapping[Key, Value], key: Key) -> list[Key]:
    """The several things that one name fits, the first of them under that name itself."""
    numbered = re.compile(re.escape(key[-1]) + r"#\d+")
    twins = [one for one in values if one[:-1] == key[:-1] and numbered.fullmatch(one[-1])]
    return [key, *twins] if twins else []


def out_of_turn(want: Mapping[Key, Value], stored: Values) -> Iterator[tuple[Key, Key, Key]]:
    """Each of several under one name that is to go before the last of those that stay; with the
    first of them and that last, which would then have the number of another."""
    for first in stored:
        twins = twins_of(stored, first)
        stays = [twin for twin in twins if want.get(twin) is not ABSENT]
        if stays != twins[: len(stays)]:
            goes = [twin for twin in twins if twin not in stays]
            yield goes[0], first, stays[-1]


def fits_several(values: Mapping[Key, Value], key: Key) -> bool:
    """Whether the name of a thing is that of several, so that nobody knows which is meant."""
    return (*key[:-1], f"{key[-1]}#2") in values
