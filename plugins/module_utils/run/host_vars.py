# SPDX-License-Identifier: GPL-3.0-or-later
"""Declarations as a file of host_vars, for people to read and Ansible to load.

(PyYAML is not promised on a target host.)
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

# What a reader looks for first; the rest follows by the alphabet.
FIRST = ("pool", "name", "title", "description", "type", "state", "autostart")
# Texts that need no quotes, and words among them that would be read as something else.
_PLAIN = re.compile(r"[A-Za-z/_][A-Za-z0-9_/.+-]*|\d+[KMGTP]?i?B")
_WORDS = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"}
# What a double-quoted text of YAML may only have escaped, beside what JSON escapes.
_ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def written(variables: Mapping[str, Any], comment: str = "") -> str:
    """The text of the file: the same for the same variables."""
    head = [f"# {line}" for line in comment.splitlines()]
    parts = ["\n".join([*head, "---"])]
    parts += ["\n".join(_entry(f"{name}:", value)) for name, value in variables.items()]
    return "\n".join(parts) + "\n"


def _entry(head: str, value: Any) -> Iterator[str]:
    if isinstance(value, (Mapping, list, tuple)) and value:
        yield head
        yield from (f"  {line}" for line in _lines(value))
    else:
        yield f"{head} {scalar(value)}"


def _lines(value: Mapping[str, Any] | Sequence[Any]) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key in sorted(value, key=_place):
            yield from _entry(f"{scalar(str(key))}:", value[key])
        return
    for item in value:
        if isinstance(item, Mapping) and item:
            first, *rest = _lines(item)
            yield f"- {first}"
            yield from (f"  {line}" for line in rest)
        else:
            yield f"- {scalar(item)}"


def _place(key: str) -> tuple[int, str]:
    return (FIRST.index(key) if key in FIRST else len(FIRST)), key


def scalar(value: Any) -> str:
    """One value on one line. Ansible would take what is in braces for a template."""
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    text = json.dumps(value, ensure_ascii=False)
    text = _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    is_template = isinstance(value, str) and re.search("{[{%#]", value)
    return f"!unsafe {text}" if is_template else text
