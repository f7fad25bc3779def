# SPDX-License-Identifier: GPL-3.0-or-later
"""Plain values as YAML text. (PyYAML is not promised on a target host.)"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from .keys import Key


def to_yaml(value: Any, comments: Mapping[Key, str] | None = None) -> str:
    """YAML text of plain values."""
    if isinstance(value, dict) and not value:
        return ""
    return "".join(f"{line}\n" for line in _lines(value, comments or {}, ()))


def _lines(value: Any, comments: Mapping[Key, str], at: Key) -> Iterable[str]:
    if isinstance(value, dict):
        for key in sorted(value, key=str):
            here = (*at, str(key))
            yield from _entry(f"{scalar(str(key))}:", value[key], comments, here)
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
        yield f"{head} {scalar(value)}{comment}"


def scalar(value: Any) -> str:
    """One plain value, in quotes where it would be another without."""
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z/_][\w/.+:@-]*(?<!:)", value):
        return json.dumps(value) if value.lower() in _WORDS else value
    if isinstance(value, float):
        return _number(value)
    return _quoted(value) if isinstance(value, str) else json.dumps(value)


def _number(value: float) -> str:
    """A float as YAML 1.1 knows it, in which 1e-05 and Infinity are texts."""
    if not math.isfinite(value):
        return ".nan" if math.isnan(value) else ".inf" if value > 0 else "-.inf"
    digits, exponent, power = repr(value).partition("e")
    return f"{digits}{'' if '.' in digits else '.0'}{exponent}{power}"


def _quoted(text: str) -> str:
    """As JSON, which is YAML but for characters beyond 16 bits: of those it makes two."""
    parts = _BEYOND.split(text)
    return f'"{"".join(_escaped(part) for part in parts)}"'


def _escaped(part: str) -> str:
    return f"\\U{ord(part):08x}" if _BEYOND.fullmatch(part) else json.dumps(part)[1:-1]


_BEYOND = re.compile("([\U00010000-\U0010ffff])")


_WORDS = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"}
