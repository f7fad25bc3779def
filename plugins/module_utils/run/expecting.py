# SPDX-License-Identifier: GPL-3.0-or-later
"""The option `expect`: a run does what was planned before, or nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..engine import binding
from ..engine.errors import FleetError
from ..engine.facts import Facts
from ..engine.plan import Plan

RESULT = "made_from"  # where a module returns what its plan is made from


def check(given: Any, plans: Sequence[Plan], facts: Facts) -> None:
    """FleetErrors if a plan is not the one that is expected."""
    binding.check(plans, expected_in(given), facts)


def expected_in(given: Any) -> dict[str, Any]:
    """What is expected of each resource: a digest, or what a module returned of its plan.

    It is given as such, or as the path of a file that has it, or the result of a module as JSON.
    """
    told = _in_text(given) if isinstance(given, str) else given
    if isinstance(told, Mapping) and isinstance(told.get(RESULT), Mapping):
        told = told[RESULT]
    if not isinstance(told, Mapping) or not all(map(_is_binding, told.values())):
        raise FleetError(
            "is no mapping of resources to digests, nor the file of a plan; give what the module "
            f"returned in check mode as {RESULT}",
            field="expect",
        )
    return dict(told)


def _is_binding(one: Any) -> bool:
    parts = {"digest", "facts", "plan"}
    return isinstance(one, str) or (
        isinstance(one, Mapping) and parts <= set(one) and isinstance(one["facts"], Mapping)
    )


def _in_text(given: str) -> Any:
    """What a file has, or the text of one, as a lookup gives it."""
    is_text = given.lstrip().startswith("{")
    what = "the text" if is_text else given
    try:
        return json.loads(given if is_text else Path(given).read_text(encoding="utf-8"))
    except OSError as error:
        message = f"cannot read {what or 'a file without a name'}: {error.strerror}"
        raise FleetError(message, field="expect") from error
    except (ValueError, RecursionError) as error:
        raise FleetError(f"{what} is no JSON that can be read: {error}", field="expect") from error
