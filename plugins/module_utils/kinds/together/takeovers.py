# SPDX-License-Identifier: GPL-3.0-or-later
"""VMs that take over in one run what another gives up: a disk that moves from one to the other."""

from __future__ import annotations

from collections.abc import Sequence

from ...engine.plan import Plan
from .references import Reference, uses_of


def givers_first(plans: Sequence[Plan]) -> list[Plan]:
    """The plans in their order, but for one that takes: it comes after the one that gives."""
    gives = {what: plan for plan in plans for what in given_up(plan)}
    ordered: list[Plan] = []
    seen: set[str] = set()

    def place(plan: Plan) -> None:
        if plan.resource not in seen:
            seen.add(plan.resource)  # of two that swap, the first that was declared is first
            for what in taken_up(plan) & gives.keys() if gives else ():
                place(gives[what])
            ordered.append(plan)

    for plan in plans:
        place(plan)
    return ordered


def given_up(plan: Plan) -> set[Reference]:
    """The images that a VM has no more once its plan is done."""
    return _images(uses_of(plan.have) - uses_of(plan.after)) if _is_of_vm(plan) else set()


def taken_up(plan: Plan) -> set[Reference]:
    """The images that a VM comes to have."""
    return _images(uses_of(plan.after) - uses_of(plan.have)) if _is_of_vm(plan) else set()


def _is_of_vm(plan: Plan) -> bool:
    return plan.wanted.kind == "vm" and plan.changed


def _images(references: set[Reference]) -> set[Reference]:
    return {one for one in references if one[0] in ("storage_volume", "path")}
