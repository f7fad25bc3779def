# SPDX-License-Identifier: GPL-3.0-or-later
"""Arguments against a spec: every mistake at once, in words that name what is wrong."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.errors import UnsupportedError

NUMBERS = ("int", "float")
_HALF = re.compile("[\ud800-\udfff]")


def check(
    validator: ArgumentSpecValidator, given: Mapping[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """The arguments with their types and defaults, and what is wrong with them."""
    halves = () if _is_utf8(given) else _no_utf8(given)
    unfit = [f"{at} is no text in UTF-8{where}; save it as UTF-8" for at, where in halves]
    result = validator.validate(_fit(validator.argument_spec, given, "", unfit))
    return result.validated_parameters, unfit + [_said(error) for error in result.errors]


class Items:
    """Many items against one spec, each by that part of it which the item uses.

    The validator takes most of its time for options that nobody gave. Where an option is misspelt,
    all of them are there, to be named.
    """

    def __init__(self, spec: Mapping[str, Any]) -> None:
        self.spec = spec
        self._validators: dict[str, ArgumentSpecValidator] = {}

    def check(self, given: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
        """As `check` does it, with the same result."""
        used: Used = {}
        is_known = _note_used(self.spec, given, used)
        key = repr(used) if is_known else ""
        if key not in self._validators:
            part = _part(self.spec, used) if is_known else dict(self.spec)
            self._validators[key] = ArgumentSpecValidator(part)
        params, wrong = check(self._validators[key], given)
        return _filled(self.spec, used, params) if is_known else params, wrong


# The options that an item gives, each with those inside of it that are given; None: all of them.
Used = dict[str, Any]


def _note_used(spec: Mapping[str, Any], given: Mapping[str, Any], used: Used) -> bool:
    """Note what is given; False where there is no such option."""
    for name, value in given.items():
        if name not in spec:
            return False
        options = spec[name].get("options")
        below = used.setdefault(name, None if options is None else {})
        if below is None or value is None:
            continue
        for one in value if isinstance(value, (list, tuple)) else (value,):
            if not (isinstance(one, dict) and _note_used(options, one, below)):
                used[name] = None
                break
    return True


def _part(spec: Mapping[str, Any], used: Used) -> dict[str, Any]:
    """What of a spec is used, or says something of what is not."""
    part: dict[str, Any] = {}
    for name, option in spec.items():
        if used.get(name) is not None:
            part[name] = {**option, "options": _part(option["options"], used[name])}
        elif name in used or option.keys() & {"default", "required", "fallback"}:
            part[name] = option
    return part


def _filled(spec: Mapping[str, Any], used: Used, params: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments with all options of the spec; None is what nobody gave."""
    filled = {**dict.fromkeys(spec), **params}
    for name, below in used.items():
        value = filled[name]
        if below is None or value is None:
            continue
        options = spec[name]["options"]
        if isinstance(value, dict):
            filled[name] = _filled(options, below, value)
        else:
            filled[name] = [_filled(options, below, one) for one in value]
    return filled


def _fit(
    spec: Mapping[str, Any], given: Mapping[str, Any], within: str, unfit: list[str]
) -> dict[str, Any]:
    """The arguments without those on which the validator itself fails, such as `cpu: 4`."""
    fit = dict(given)
    for name, value in given.items():
        wrong = _no_number(spec[name], value) if name in spec else None
        if wrong is not None:
            unfit.append(f"{within}{name} is {wrong}, which is no number")
            fit[name] = [] if isinstance(value, (list, tuple)) else 0
        options = spec[name].get("options") if name in spec else None
        if options is None or value is None:
            continue
        fits: list[Any] = []
        for one in value if isinstance(value, (list, tuple)) else [value]:
            if isinstance(one, Mapping):
                fits.append(_fit(options, one, f"{within}{name}.", unfit))
            elif isinstance(one, str):  # which the validator reads, or says that it cannot
                fits.append(one)
            else:
                known = ", ".join(sorted(options))
                unfit.append(f"{within}{name} is {one!r}, but has options: {known}")
        fit[name] = fits if isinstance(value, (list, tuple)) else fits[0] if fits else None
    return fit


def _is_utf8(given: Any) -> bool:
    """Whether it certainly is, asked of all at once: to look at each text takes long."""
    try:
        json.dumps(given, ensure_ascii=False).encode()
    except (ValueError, TypeError):  # or nothing that JSON has
        return False
    return True


def _no_utf8(given: Any, at: str = "") -> Iterator[tuple[str, str]]:
    """The texts with bytes that are no UTF-8, which Ansible gives as halves of characters, each
    with its line. They are not quoted: any may be a secret."""
    if isinstance(given, Mapping):
        for name, value in given.items():
            yield from _no_utf8(str(name), at or "an option")
            yield from _no_utf8(value, f"{at}.{name}" if at else str(name))
    elif isinstance(given, (list, tuple)):
        for one in given:
            yield from _no_utf8(one, at)
    elif isinstance(given, str):
        text = str(given)
        half = None if text.isascii() else _HALF.search(text)
        if half is not None:
            line = text[: half.start()].count("\n") + 1
            yield _HALF.sub("?", at), f" (line {line})" if "\n" in text.strip() else ""


def _no_number(spec: Mapping[str, Any], value: Any) -> str | None:
    """What stands where a number is to be, and the validator makes one of it, or fails on it."""
    is_list = isinstance(value, (list, tuple))
    if spec.get("elements" if is_list else "type") not in NUMBERS:
        return None
    found = (one for one in (value if is_list else [value]) if not _is_number(one))
    return next((str(one).lower() for one in found), None)


def _is_number(value: Any) -> bool:
    """Whether it may be one: no truth, and not what is beyond all numbers."""
    try:
        return not isinstance(value, bool) and math.isfinite(float(value))
    except (TypeError, ValueError):
        return True  # the validator says what it is
    except OverflowError:
        return False


def _said(error: Exception) -> str:
    message = str(error)
    if isinstance(error, UnsupportedError):  # it names the options, and not what is wrong with them
        unknown, _stop, known = message.partition(". ")
        return f"there is no option {unknown}; {known[:1].lower()}{known[1:]}"
    return message
