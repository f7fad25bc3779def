# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run that failed in the midst has done all the same: read back, and told as it is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ..engine.changes import LIVE, RESTART, Change
from ..engine.errors import ConnectionLost, FleetError, FleetErrors
from ..engine.plan import DELETE, Plan, Wanted
from ..engine.showing import names
from ..engine.world import World
from .done import Failed, Run


def look_after(world: World, run: Run) -> None:
    """See what was done of that which failed, and say so in its error."""
    for plan in run.plans:
        error = run.failed.get(plan.resource)
        if error is None or plan.resource in run.done or plan.resource not in run.begun:
            continue
        failed = None if isinstance(error, ConnectionLost) else _looked_at(world, plan)
        if failed is not None:
            run.partly[plan.resource] = failed
            run.failed[plan.resource] = _told(error, failed)


def _looked_at(world: World, plan: Plan) -> Failed | None:
    """What is there now; None where even that cannot be read."""
    wanted = plan.wanted
    kind = world.kinds[wanted.kind]
    try:
        have = world.read(wanted.kind, [wanted.name])[wanted.name]
    except FleetError:
        return None
    try:
        again = kind.plan(wanted, have, world.lenient())
        # What a restart would take up waits for it, as long as that has not come about.
        waits = kind.plan(_without_restart(wanted), have, world.lenient())
    except (FleetError, FleetErrors):
        return Failed(plan, have, plan.changes, ())
    still = {change.field for change in waits.changes}
    pending = tuple(change for change in waits.pending if change.field not in still)
    return Failed(plan, have, again.changes, pending)


def _without_restart(wanted: Wanted) -> Wanted:
    if wanted.options.get("apply") != RESTART:
        return wanted
    return replace(wanted, options={**wanted.options, "apply": LIVE})


def _told(error: FleetError, failed: Failed) -> FleetError:
    """The error, with what was done before it, and what was not."""
    if not failed.changed:
        return error
    done = _done(failed)
    said = [error.message, done]
    said += [f"not done: {_listed(failed.left)}"] if failed.left else []
    said += [f"waits for a restart: {_listed(failed.late)}"] if failed.late else []
    said += ["run again when the cause is gone"] if failed.left or not failed.late else []
    return FleetError("; ".join(said), error.resource, error.field)


def _done(failed: Failed) -> str:
    if failed.is_stored:
        return "it was defined"
    if failed.plan.action == DELETE:
        state = failed.have.facts.get("state")
        return f"it is {state} now" if state else "it is changed already"
    return f"done: {_listed(failed.made)}" if failed.made else "the new definition is stored"


def _listed(changes: Iterable[Change]) -> str:
    return ", ".join(dict.fromkeys(names(changes)))
