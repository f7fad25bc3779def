# SPDX-License-Identifier: GPL-3.0-or-later
"""Codecs: how one value looks to a user, in a plan and in libvirt's XML.

`parse` takes what a user wrote and returns the value or raises ValueError; `decode` and `encode`
go between the value and the text in the XML, where None is the absence of the element or attribute,
and `decode(encode(value)) == value`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from .hidden import ANOTHER, HIDDEN, Sensitive, partly_sensitive, revealed, stands_for_hidden
from .texts import Prose, as_kept
from .units import MILLICORES, cores_of, format_size, parse_cores, parse_size

Value = Any  # str, int, bool, a dict of them, or None for what libvirt does not say


@dataclass(frozen=True)
class Codec:
    """The three ways of one value, and the part of the argument spec that goes with it."""

    parse: Callable[[Any], Value]
    decode: Callable[[str | None], Value]
    encode: Callable[[Value], str | None]
    spec: dict[str, Any] = field(default_factory=lambda: {"type": "str"})


def text(pattern: str = "", says: str = "") -> Codec:
    """A text; `""` takes it away. A pattern refuses others, and says what it wants."""

    def parse(given: Any) -> str:
        value = str(given)
        if pattern and value and not re.fullmatch(pattern, value):
            raise ValueError(f"{value!r} is not {says}")
        return value

    return Codec(parse, lambda found: found or "", lambda value: value or None)


TEXT = text()

# Of Linux, which has no link `.`, `..`, `all` or `default` (dev_valid_name, its folders of sysctl);
# and programs take what begins with a dash for an option.
_LINK_NAME = r"(?!-|\.{1,2}$|all$|default$)[A-Za-z0-9_.-]{1,15}"


def link_name(of: str) -> Codec:
    """The name of a link of the host that is made, or handed to programs."""
    others = "none that Linux keeps for itself (all, default)"
    return text(
        _LINK_NAME, f"the name of {of}: up to 15 letters, digits and ._-, no - first, {others}"
    )


def prose(pattern: str = "", says: str = "") -> Codec:
    """A text for people, see the row `Written`. A pattern leaves line ends around it aside."""

    def parse(given: Any) -> Prose:
        value = str(given).strip("\n") if pattern else str(given)
        if pattern and value and not re.fullmatch(pattern, value):
            raise ValueError(f"{value!r} is not {says}")
        return Prose(value)

    return Codec(parse, lambda found: Prose(found or ""), lambda value: str(value) or None)


def integer(
    minimum: int | None = None, maximum: int | None = None, unset: int | None = None
) -> Codec:
    """A whole number within bounds; `unset` is the number that absence means."""

    def parse(given: Any) -> int:
        value = int(given)
        if minimum is not None and value < minimum:
            raise ValueError(f"{value} is less than {minimum}")
        if maximum is not None and value > maximum:
            raise ValueError(f"{value} is more than {maximum}")
        return value

    return Codec(
        parse,
        lambda found: unset if found in (None, "") else int(found or 0),
        lambda value: None if value is None or value == unset else str(value),
        {"type": "int"},
    )


def size(factor: int = 1, unset: str | None = None, words: tuple[str, ...] = ()) -> Codec:
    """A size with its unit, kept in the XML as a number of `factor` bytes; or one of some words."""

    def parse(given: Any) -> str:
        if given in words:
            return str(given)
        number = parse_size(given)
        if number % factor:
            raise ValueError(f"{given} is no multiple of {format_size(factor)}")
        return format_size(number)

    def decode(found: str | None) -> Value:
        if found in words:
            return found
        return unset if found in (None, "") else format_size(int(found or 0) * factor)

    def encode(value: Value) -> str | None:
        if value is None or value == unset:
            return None
        return str(value) if value in words else str(parse_size(value) // factor)

    return Codec(parse, decode, encode)


def cores(per_core: int | None = None) -> Codec:
    """A number of cores, of which 0 is none at all. In the XML it stands as it is written, or as a
    whole number, of which `per_core` are a core; less than none there is none, too.
    """

    def decode(found: str | None) -> Value:
        if not found:
            return 0
        return cores_of(
            max(0, round(int(found) * MILLICORES / per_core) if per_core else _of(found))
        )

    def encode(value: Value) -> str | None:
        if not value:
            return None
        return str(parse_cores(value) * per_core // MILLICORES) if per_core else str(value)

    def parse(given: Any) -> Value:
        return cores_of(parse_cores(given))

    return Codec(parse, decode, encode, {"type": "float"})


def _of(found: str) -> int:
    """The millicores that a text says; what is no number, and so is of somebody else, says none."""
    try:
        return parse_cores(found)
    except ValueError:
        return 0


def choice(*words: str, unset: str | None = None) -> Codec:
    """One of some words; `unset` is the word for absence, and taking the thing away."""
    known = (*words, unset) if unset is not None and unset not in words else words

    def parse(given: Any) -> str:
        value = str(given)
        if value not in known:
            raise ValueError(f"{value!r} is none of {', '.join(str(word) for word in known)}")
        return value

    return Codec(
        parse,
        lambda found: unset if found in (None, "") else found,
        lambda value: None if value == unset else value,
        {"type": "str", "choices": list(known)},
    )


def boolean(true: str = "yes", false: str = "no", unset: bool | None = None) -> Codec:
    """A boolean that the XML writes as two words; `unset` is what absence means."""
    words = {True: true, False: false}
    return Codec(
        bool,
        lambda found: unset if found is None else found == true,
        lambda value: None if value is None or value is unset else words[value],
        {"type": "bool"},
    )


def presence() -> Codec:
    """A boolean that is true where an empty element stands."""
    return Codec(
        bool,
        lambda found: found is not None,
        lambda value: "" if value else None,
        {"type": "bool"},
    )


def absence() -> Codec:
    """A boolean that is false where an empty element stands."""
    return Codec(
        bool,
        lambda found: found is None,
        lambda value: None if value else "",
        {"type": "bool"},
    )


def hiding(inner: Codec) -> Codec:
    """A text that is compared and never shown. That there is none is no secret."""

    def parse(given: Any) -> Value:
        value = inner.parse(revealed(given))
        if stands_for_hidden(value):
            raise ValueError("stands for what is not shown; write the value itself, or omit it")
        return Sensitive(value) if value else value

    def decode(found: str | None) -> Value:
        value = inner.decode(found)
        return Sensitive(value) if value else value

    spec = {**inner.spec, "no_log": True}
    return Codec(parse, decode, lambda value: inner.encode(revealed(value)), spec)


def partly_hiding(
    swap_in: Callable[[str, Callable[[str], str]], str], inner: Codec = TEXT
) -> Codec:
    """A text of which the secrets are compared and not shown, that `swap_in` finds in it."""

    def made(found: str | None) -> str:
        text = found or ""
        return partly_sensitive(text, lambda gap: swap_in(text, gap)) if text else ""

    def parse(given: Any) -> str:
        value = str(revealed(given))
        if any(shown in value for shown in (HIDDEN, ANOTHER)):
            raise ValueError("it has in it what is shown instead of a secret; write the secret")
        return made(str(inner.parse(value)))

    return Codec(parse, made, lambda value: revealed(value) or None)


def texts(of: Codec = TEXT) -> Codec:
    """A list of texts, in their order; none is `[]`. Its text is JSON, see the row `Listed`."""

    def parse(given: Any) -> list[Value]:
        said = [of.parse(as_kept(one, in_attribute=False)) for one in given]
        if "" in said:
            raise ValueError("has an empty text in it; leave that out")
        return said

    return Codec(
        parse,
        lambda found: [of.decode(one) for one in json.loads(found or "[]")],
        lambda value: json.dumps(value) if value else None,
        {"type": "list", "elements": "str"},
    )


def words(*known: str) -> Codec:
    """A list of some words, each once, in their order."""
    inner = texts(choice(*known))

    def parse(given: Any) -> list[Value]:
        said: list[Value] = inner.parse(given)
        if len({*said}) < len(said):
            raise ValueError("says the same twice")
        return said

    return replace(inner, parse=parse, spec={**inner.spec, "choices": list(known)})


def mapping() -> Codec:
    """A dictionary of strings, kept as JSON in one text (for our own metadata only)."""

    def parse(given: Any) -> dict[str, str]:
        said = ((str(key), given[key]) for key in sorted(given, key=str))
        return {key: str(value) for key, value in said if value is not None}

    return Codec(
        parse,
        _mapping_in,
        lambda value: json.dumps(value, sort_keys=True) if value else None,
        {"type": "dict"},
    )


def pairs(key: Callable[[Any], str], of: Codec) -> Codec:
    """A dictionary whose names and values are in a form of their own each; none is `{}`.

    Its text is JSON, which stands in no XML: see the row `Mapped`.
    """

    def parse(given: Any) -> dict[str, Value]:
        if not isinstance(given, dict):
            raise ValueError(f"{given!r} is no dictionary")
        said = {key(name): of.parse(value) for name, value in given.items()}
        if len(said) < len(given):
            raise ValueError("says the same twice")
        return dict(sorted(said.items()))

    def decode(found: str | None) -> dict[str, Value]:
        said = {name: of.decode(value) for name, value in json.loads(found or "{}").items()}
        return dict(sorted(said.items()))

    return Codec(parse, decode, lambda value: json.dumps(value) or None, {"type": "dict"})


def _mapping_in(text: str | None) -> dict[str, str]:
    """The mapping in a text; what somebody else wrote there, and is none, says nothing."""
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


MAC_PATTERN = r"[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}"


def mac() -> Codec:
    """A unicast MAC address, in libvirt's lower case."""

    def parse(given: Any) -> str:
        value = str(given).lower()
        if not re.fullmatch(MAC_PATTERN, value):
            raise ValueError(f"{given!r} is not a MAC address such as 52:54:00:12:34:56")
        if int(value[:2], 16) & 1:
            raise ValueError(f"{value} is a multicast address; its first byte must be even")
        return value

    return Codec(parse, lambda found: found.lower() if found else None, lambda value: value)
