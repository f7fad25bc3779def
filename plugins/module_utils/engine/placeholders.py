# SPDX-License-Identifier: GPL-3.0-or-later
"""Placeholders in texts: `%{index}`, `%{index:03}`, `%{index * 2 + 100}`, `%{name}`.

They are written so that Ansible, which makes a template of `{{ }}` before a module sees it, leaves
them alone. Nothing is evaluated: an expression is what one pattern matches.
"""

from __future__ import annotations

import re
from typing import NamedTuple

# `{{ index }}` comes through in a text that is `!unsafe`. Other templates are the guest's.
_TOKEN = re.compile(
    r"(?P<literal>%%\{)|(?P<whole>%\{(?P<body>[^{}]*)\}|\{\{(?P<jinja>\s*index\b[^{}]*)\}\})"
    r"|(?P<open>%\{)"
)
_NUMBER = re.compile(
    r"\s*(?:(?P<times>\d{1,9})\s*\*\s*)?index(?:\s*\*\s*(?P<by>\d{1,9}))?"
    r"(?:\s*(?P<sign>[+-])\s*(?P<more>\d{1,9}))?\s*(?::(?P<form>0[1-9]\d?[xX]?|[xX]))?\s*"
)
KNOWN = "%{index}, %{index:02}, %{index:02x}, %{index * 2 + 100} and %{name}"
LITERAL = "%%{ stands for a %{ that is none"


class Place(NamedTuple):
    """Whose places are filled: the number of one of many, and its name."""

    number: int
    name: str = ""


def filled(text: str, place: Place, is_secret: bool = False) -> str:
    """A text with its placeholders filled. ValueError, which quotes nothing of what is secret."""

    def value(found: re.Match[str]) -> str:
        if found["literal"]:
            return "%{"
        body = found["jinja"] if found["body"] is None else found["body"]
        if body is None:
            raise ValueError(f"has a %{{ without its }}; {LITERAL}")
        if body.strip() == "name" and found["jinja"] is None:
            return place.name
        number = _NUMBER.fullmatch(body)
        if number is None:
            what = "something" if is_secret else found["whole"]
            raise ValueError(f"{what} is no placeholder; there are {KNOWN}, and {LITERAL}")
        return _number(number, place.number)

    return _TOKEN.sub(value, text)


def _number(said: re.Match[str], index: int) -> str:
    number = int(said["times"] or 1) * index * int(said["by"] or 1)
    more = int(said["more"] or 0)
    number = number - more if said["sign"] == "-" else number + more
    if number < 0:
        raise ValueError(f"{said[0].strip()} is {number} for the index {index}, less than 0")
    return format(number, said["form"] or "")
