# SPDX-License-Identifier: GPL-3.0-or-later
"""Applies plans one after the other, then sees that all is as it was planned."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from ..engine.errors import ConnectionLost, FleetError, FleetErrors
from ..engine.keys import named
from ..engine.plan import DELETE, END, Plan
from ..engine.showing import unfolded
from ..engine.world import World
from ..host.connection import Host
from ..kinds.together.references import names_of, uses_of
from ..kinds.together.takeovers import given_up, givers_first, taken_up
from . import aftermath, secrecy
from .done import Run
from .planning import InTurn, plan_all

# How long what was changed may take to be read back as planned (a guest answers when it can).
VERIFY_TIMEOUT_S = 15.0


def apply_all(host: Host, world: World, done: Run, in_turn: InTurn) -> None:
    """Apply every plan; what fails stops only what needs it. Then see what became of all."""
    with in_turn(host, world, done.plans):
        for plan in in_steps(givers_first(done.plans)):
            if plan.changed:
                _apply(host, world, done, plan)
    _verify(host, world, done)
    aftermath.look_after(world.anew(), done)


def in_steps(plans: Sequence[Plan]) -> list[Plan]:
    """The plans in their order, but for what goes with something: that ends first, and is taken
    away last, since its definition is what tells the next run of the rest."""
    last = {
        needed: at
        for at, plan in enumerate(plans)
        if plan.action == DELETE
        for needed in plan.wanted.needs
    }
    steps: list[Plan] = []
    waiting: dict[int, list[Plan]] = {}
    for at, plan in enumerate(plans):
        until = last.get((plan.wanted.kind, plan.wanted.name), at)
        if plan.action == DELETE and until > at:
            steps.append(replace(plan, action=END))
            waiting.setdefault(until, []).append(plan)
        else:
            steps += [plan, *waiting.get(at, ())]
    return steps


def _apply(host: Host, world: World, done: Run, plan: Plan) -> None:
    if plan.resource in done.failed:
        return  # in its first step
    try:
        _check_not_blocked(done, plan)
        done.begun.add(plan.resource)
        with host.errors(plan.resource, f"{plan.action} it"):
            told = world.kinds[plan.wanted.kind].apply(host, plan)
        if told:
            done.told[plan.resource] = told
        if plan.action != END:
            done.done.append(plan.resource)
    except FleetError as error:
        [error] = secrecy.spared([error], plan.wanted, plan.have, plan.after)
        done.failed[plan.resource] = error.within(plan.resource)


def _check_not_blocked(done: Run, plan: Plan) -> None:
    """Raise if something failed that the plan counts on."""
    if any(isinstance(error, ConnectionLost) for error in done.failed.values()):
        raise FleetError("was not touched, the connection to libvirt was lost", plan.resource)
    for failed in (other for other in done.plans if other.resource in done.failed):
        if plan.action == DELETE and (plan.wanted.kind, plan.wanted.name) in failed.wanted.needs:
            raise FleetError(
                f"was ended, and stays defined, since {failed.resource} is to go with it and "
                "failed; run again",
                plan.resource,
            )
        if (failed.wanted.kind, failed.wanted.name) in plan.wanted.needs:
            why = f"it needs {failed.resource}, which failed"
        elif plan.action == DELETE and uses_of(failed.have) & names_of(plan.have):
            why = f"{failed.resource} uses it and could not be changed"
        elif given_up(failed) & taken_up(plan):
            why = f"{failed.resource} was to give up what it takes, and failed"
        else:
            continue
        raise FleetError(f"was not touched, {why}", plan.resource)


def _verify(host: Host, world: World, done: Run) -> None:
    """Plan again: nothing may be left to do. Retried, since guests take their time."""
    left = [plan for plan in done.plans if plan.resource in done.done]
    deadline = time.monotonic() + VERIFY_TIMEOUT_S
    while left:
        try:
            with host.errors("", "read back what was changed"):
                seen = world.anew()
                seen.verifies = True
                again = plan_all(seen, [plan.wanted for plan in left])
        except (FleetErrors, FleetError) as error:
            done.failed[left[0].resource] = FleetError(f"cannot be verified: {error}")
            return
        open_plans = [plan for plan in again if plan.changed]
        if not open_plans or time.monotonic() > deadline:
            break
        left = [plan for plan in left if plan.resource in {p.resource for p in open_plans}]
        time.sleep(0.3)
    else:
        return
    for plan in open_plans:
        done.failed[plan.resource] = _not_converged(plan)


def _not_converged(plan: Plan) -> FleetError:
    fields = "; ".join(
        f"{named(c.field)} is {c.before if c.live is None else c.live!r}, should be {c.after!r}"
        for c in unfolded(plan.changes)
    )
    return FleetError(f"did not converge: {fields}", plan.resource)
