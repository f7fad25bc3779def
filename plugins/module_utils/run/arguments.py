# SPDX-License-Identifier: GPL-3.0-or-later
"""Arguments against a spec: every mistake at once, in words that name what is wrong."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.errors import UnsupportedError

NUMBERS = ("int", "float")


def check(
    validator: ArgumentSpecValidator, given: Mapping[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """The arguments with their types and defaults, and what is wrong with them."""
    unfit: list[str] = []
    result = validator.validate(_fit(validator.argument_spec, given, "", unfit))
    return result.validated_parameters, unfit + [_said(error) for error in result.errors]


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
