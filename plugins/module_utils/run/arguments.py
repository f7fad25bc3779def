# SPDX-License-Identifier: GPL-3.0-or-later
"""Arguments against a spec: every mistake at once, in words that name what is wrong."""

from __future__ import annotations

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
        if name in spec and _is_no_number(spec[name], value):
            unfit.append(f"{within}{name} is {str(value).lower()}, which is no number")
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


def _is_no_number(spec: Mapping[str, Any], value: Any) -> bool:
    """Whether a number is to be, and a boolean is, which the validator takes for 1 or 0."""
    if isinstance(value, (list, tuple)):
        return spec.get("elements") in NUMBERS and any(isinstance(one, bool) for one in value)
    return spec.get("type") in NUMBERS and isinstance(value, bool)


def _said(error: Exception) -> str:
    message = str(error)
    if isinstance(error, UnsupportedError):  # it names the options, and not what is wrong with them
        unknown, _stop, known = message.partition(". ")
        return f"there is no option {unknown}; {known[:1].lower()}{known[1:]}"
    return message
