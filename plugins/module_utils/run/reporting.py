# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module returns of a run: the plan, its diff, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..engine.errors import FleetError
from ..engine.keys import ABSENT
from ..engine.plan import CREATE, Plan
from ..engine.showing import diffs, names, results, summary
from ..engine.world import World
from .done import Run


def report(world: World, done: Run, check: bool, shown: str) -> dict[str, Any]:
    """What the module returns."""
    plans = [plan for plan in done.plans if plan.changed]
    outcome: dict[str, Any] = {
        "changed": bool(plans) if check else done.changed,
        "plan": [row for plan in plans for row in results(plan.changes)],
        "summary": summary(done.plans, done.then()),
        "diff": diffs(done.plans, done.then()),
        "pending_restart": [r for plan in done.plans for r in results(done.pending(plan))],
        "warnings": [f"{p.resource}: {warning}" for p in done.plans for warning in p.warnings],
    }
    if check:
        outcome["made_from"] = _made_from(world, plans)
    if done.failed:
        outcome["errors"] = [str(error) for error in done.failed.values()]
        outcome["msg"] = "; ".join(outcome["errors"])
    if shown:
        outcome.update(_shown(world, done, check, shown))
    else:
        outcome["results"] = [_result(plan, done, check) for plan in done.plans]
    return outcome


def _made_from(world: World, plans: Sequence[Plan]) -> dict[str, Any]:
    """By what each plan can be known again."""
    if not plans:
        return {}
    from ..engine.binding import bound

    return {plan.resource: bound(plan, world.facts) for plan in plans}


def _shown(world: World, done: Run, check: bool, kind: str) -> dict[str, Any]:
    """The one resource of a module: as it will be, or as it is read back, whatever came of it."""
    main = next(plan for plan in done.plans if plan.wanted.kind == kind)
    more: dict[str, Any] = {}
    if main.resource in done.waits:
        more["wait"] = done.waits[main.resource]
    if main.resource in done.told:
        more["fetched"] = dict(done.told[main.resource])
    if check:
        return {kind: world.kinds[kind].result(main.after), **more}
    try:
        have = world.anew().read(kind, [main.wanted.name])[main.wanted.name]
    except FleetError:
        if not done.failed:
            raise
        return more  # libvirt is gone, as an error says
    return {kind: world.kinds[kind].result(have), **more}


def _result(plan: Plan, done: Run, check: bool) -> dict[str, Any]:
    """One item of a task that declares many."""
    error = done.failed.get(plan.resource)
    pending = done.pending(plan)
    said: dict[str, Any] = {
        "resource": plan.resource,
        "action": plan.action,
        "changed": plan.changed if check else done.has_changed(plan),
    }
    if error is not None:
        said["error"] = str(error)
    if pending:
        said["pending_restart"] = names(pending)
    if plan.resource in done.told:
        said["fetched"] = dict(done.told[plan.resource])
    if plan.resource in done.waits:
        said["wait"] = done.waits[plan.resource]
    return said


def groups(declared: Sequence[Mapping[str, Any]] | None, plans: Sequence[Plan]) -> dict[str, Any]:
    """Of each group its members, those of them that come, and those that leave, in their order."""
    if declared is None:
        return {}
    of: dict[str, dict[str, list[str]]] = {
        group["name"]: {"members": [], "coming": [], "leaving": []} for group in declared
    }
    for plan in plans:
        if plan.wanted.member is None:
            continue
        group = of[plan.wanted.member.group]
        goes = plan.wanted.state == ABSENT
        group["leaving" if goes else "members"].append(plan.wanted.name)
        if plan.action == CREATE:
            group["coming"].append(plan.wanted.name)
    return {"vm_groups": of}
