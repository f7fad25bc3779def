# SPDX-License-Identifier: GPL-3.0-or-later
"""From a plan to what is to be called, of what libvirt starts and stops as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .changes import Beside, Change
from .keys import named
from .plan import CREATE, DELETE, Plan
from .traits import ACTIVE, AUTOSTART

DEFINE, UNDEFINE, START, STOP, UPDATE = "define", "undefine", "start", "stop", "update"
_AUTOSTART = named(AUTOSTART)


@dataclass(frozen=True)
class Steps:
    """What is special about the steps of a kind; its applier has a function of each name.

    `beside` are types of changes that have a step of their own, `last` those that have one at the
    end of what is to run. `first` are options that, set, have a step of their name before a start.
    """

    beside: Mapping[type[Change], str] = field(default_factory=dict)
    last: Mapping[type[Change], str] = field(default_factory=dict)
    first: tuple[str, ...] = ()
    restart: str = ""  # the step that restarts it; without one it is stopped and started
    updates: bool = False  # whether what runs can be changed in place

    @property
    def names(self) -> set[str]:
        """All steps that there can be."""
        own = {*self.beside.values(), *self.last.values(), *self.first, self.restart} - {""}
        own |= {UPDATE} if self.updates else set()
        return own | {DEFINE, UNDEFINE, START, STOP, _AUTOSTART}


def steps_of(plan: Plan, kind: Steps) -> list[str]:
    """What is to be called for a plan, in order."""
    own = _own(plan, kind.beside)
    if plan.action == DELETE:
        stops = [STOP] if plan.have.facts["state"] == ACTIVE else []
        return [*stops, *own, *([UNDEFINE] if plan.have.facts["persistent"] else [])]
    steps = [DEFINE] if defines(plan) else []
    # Next to the definition: to the next run it is no new one, and has what it has.
    steps += [_AUTOSTART] if _has(plan, Beside) else []
    return [*steps, *own, *_power(plan, kind)]


def _own(plan: Plan, steps: Mapping[type[Change], str]) -> list[str]:
    return list(dict.fromkeys(step for of, step in steps.items() if _has(plan, of)))


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
    up = [*(step for step in kind.first if plan.wanted.options.get(step)), START]
    last = _own(plan, kind.last)
    if was != ACTIVE:
        return [*up, *last]
    updates = kind.updates and any(one.at_once and one.in_definition for one in plan.changes)
    if _restarts(plan, updates):
        return [*([kind.restart] if kind.restart else [STOP, *up]), *last]
    return [*([UPDATE] if updates else []), *last]


def _restarts(plan: Plan, updates: bool) -> bool:
    """Whether what runs will be another, and not for what is changed in place."""
    if any(change.restarts for change in plan.changes):
        return True
    return not updates and plan.after.live is not plan.have.live
