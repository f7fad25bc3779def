# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a plan to what is to be called, of what libvirt starts and stops as a whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from .changes import Beside, Change
from .plan import CREATE, DELETE, Plan
from .traits import ACTIVE, AUTOSTART

DEFINE, UNDEFINE, START, STOP, UPDATE = "define", "undefine", "start", "stop", "update"

StepsFor = Callable[[Plan], Sequence[str]]


@dataclass(frozen=True)
class Steps:
    """What is special about the steps of a kind; its applier has a function of each name.

    `beside` are types of changes that have a step of their own. `up` are the steps of a start,
    `again` those of a restart, `last` those at the end of what is to run.
    """

    up: StepsFor = lambda _plan: (START,)
    again: StepsFor | None = None
    last: StepsFor = lambda _plan: ()
    beside: Mapping[type[Change], str] = field(default_factory=dict)


def steps_of(plan: Plan, kind: Steps) -> list[str]:
    """What is to be called for a plan, in order."""
    own = [step for of, step in kind.beside.items() if _has(plan, of)]
    if plan.action == DELETE:
        stops = [STOP] if plan.have.facts["state"] == ACTIVE else []
        return [*stops, *own, *([UNDEFINE] if plan.have.facts["persistent"] else [])]
    steps = [DEFINE] if defines(plan) else []
    steps += [*own, *([AUTOSTART[0]] if _has(plan, Beside) else [])]
    return [*steps, *_power(plan, kind)]


def _has(plan: Plan, of: type[Change]) -> bool:
    return any(isinstance(change, of) for change in plan.changes)


def defines(plan: Plan) -> bool:
    """Whether a definition is to be stored: something changes that is in it."""
    return plan.action == CREATE or any(change.in_definition for change in plan.changes)


def _power(plan: Plan, kind: Steps) -> list[str]:
    """The steps from the state that it is in to the one that it will be in."""
    was, will = plan.have.facts.get("state"), plan.after.facts.get("state")
    if will != ACTIVE:
        return [STOP] if was == ACTIVE else []
    if was != ACTIVE:
        return [*kind.up(plan), *kind.last(plan)]
    updates = any(change.at_once and change.in_definition for change in plan.changes)
    if _restarts(plan, updates):
        again = kind.again(plan) if kind.again is not None else (STOP, *kind.up(plan))
        return [*again, *kind.last(plan)]
    return [*([UPDATE] if updates else []), *kind.last(plan)]


def _restarts(plan: Plan, updates: bool) -> bool:
    """Whether what runs will be another, and not for what is changed in place."""
    if any(change.restarts for change in plan.changes):
        return True
    return not updates and plan.after.live is not plan.have.live
