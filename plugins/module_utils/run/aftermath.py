# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run has done, also where it failed in the midst: read back, and told as it is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from ..engine import xmltree
from ..engine.changes import LIVE, RESTART, Change
from ..engine.errors import ConnectionLost, FleetError, FleetErrors
from ..engine.plan import CREATE, DELETE, Have, Plan, Wanted
from ..engine.showing import names
from ..engine.world import World


@dataclass
class Failed:
    """A resource whose plan was begun and failed."""

    plan: Plan
    have: Have  # as it is now
    left: tuple[Change, ...]  # what another run would still do
    pending: tuple[Change, ...]  # what waits for a restart already

    @property
    def is_stored(self) -> bool:
        """Whether it was made by this run."""
        return self.plan.action == CREATE and self.have.exists

    @property
    def made(self) -> list[Change]:
        """The changes that nothing is left of."""
        left = {change.field for change in self.left}
        return [change for change in self.plan.changes if change.field not in left]

    @property
    def changed(self) -> bool:
        """Whether this run has changed anything of it."""
        was, now = self.plan.have, self.have
        if was.exists != now.exists or was.facts != now.facts or self.made:
            return True
        # A volume's own definition has times and sizes in it, that change by themselves.
        return now.kind != "storage_volume" and not _same(was, now)


def _same(was: Have, now: Have) -> bool:
    if was.stored is None or now.stored is None:
        return was.stored is now.stored
    return xmltree.same(was.stored, now.stored)


@dataclass
class Run:
    """What came of one run."""

    plans: list[Plan]
    begun: set[str] = field(default_factory=set)
    done: list[str] = field(default_factory=list)
    failed: dict[str, FleetError] = field(default_factory=dict)
    partly: dict[str, Failed] = field(default_factory=dict)  # what failed, and was looked at since

    @property
    def changed(self) -> bool:
        return any(self.has_changed(plan) for plan in self.plans)

    def has_changed(self, plan: Plan) -> bool:
        """Whether anything of a plan was done. Of what nobody can tell, something may have been."""
        if plan.resource in self.done or plan.resource not in self.begun:
            return plan.resource in self.done
        looked_at = self.partly.get(plan.resource)
        return looked_at is None or looked_at.changed

    def pending(self, plan: Plan) -> tuple[Change, ...]:
        """What waits for a restart; nothing new where nothing was touched, or can be read."""
        if plan.resource not in self.failed or plan.resource in self.done:
            return plan.pending
        looked_at = self.partly.get(plan.resource)
        return looked_at.pending if looked_at is not None else ()


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
    left = f"not done: {_listed(failed.left)}; " if failed.left else ""
    message = f"{error.message}; {done}; {left}run again when the cause is gone"
    return FleetError(message, error.resource, error.field)


def _done(failed: Failed) -> str:
    if failed.is_stored:
        return "it was defined"
    if failed.plan.action == DELETE:
        state = failed.have.facts.get("state")
        return f"it is {state} now" if state else "it is changed already"
    return f"done: {_listed(failed.made)}" if failed.made else "the new definition is stored"


def _listed(changes: Iterable[Change]) -> str:
    return ", ".join(names(changes))
