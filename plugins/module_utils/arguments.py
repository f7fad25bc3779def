# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Arguments against a spec: every mistake at once, in words that name what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.errors import UnsupportedError


def check(
    validator: ArgumentSpecValidator, given: Mapping[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """The arguments with their types and defaults, and what is wrong with them."""
    result = validator.validate(dict(given))
    return result.validated_parameters, [_said(error) for error in result.errors]


def _said(error: Exception) -> str:
    message = str(error)
    if isinstance(error, UnsupportedError):  # it names the options, and not what is wrong with them
        unknown, _stop, known = message.partition(". ")
        return f"there is no option {unknown}; {known[:1].lower()}{known[1:]}"
    return message
