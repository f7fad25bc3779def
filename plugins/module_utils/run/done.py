# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run has done, also where it failed in the midst."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..engine import xmltree
from ..engine.changes import Change
from ..engine.errors import FleetError
from ..engine.plan import CREATE, Have, Plan
from ..engine.showing import listed


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
        left = {change.field for change in (*self.left, *self.late)}
        return [change for change in self.plan.changes if change.field not in left]

    @property
    def late(self) -> list[Change]:
        """The changes that were to come at once, and wait for a restart: what was stored for them
        is, and another run has nothing to do."""
        left, waits = ({change.field for change in of} for of in (self.left, self.pending))
        at_once = (change for change in self.plan.changes if change.at_once)
        return [change for change in at_once if change.field in waits - left]

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
    told: dict[str, Mapping[str, Any]] = field(default_factory=dict)  # of how something was made
    waits: dict[str, dict[str, Any]] = field(default_factory=dict)  # what is waited for, what came

    @property
    def changed(self) -> bool:
        return any(self.has_changed(plan) for plan in self.plans)

    def has_changed(self, plan: Plan) -> bool:
        """Whether anything of a plan was done. Of what nobody can tell, something may have been."""
        if plan.resource in self.done or plan.resource not in self.begun:
            return plan.resource in self.done
        looked_at = self.partly.get(plan.resource)
        return looked_at is None or looked_at.changed

    def then(self) -> list[str]:
        """What comes after all plans, as the summary ends with it."""
        by_what: dict[str, list[str]] = {}
        for resource, asked in self.waits.items():
            by_what.setdefault(asked["for"], []).append(resource)
        return [f"then waits for {what}: {listed(of, self.plans)}" for what, of in by_what.items()]

    def pending(self, plan: Plan) -> tuple[Change, ...]:
        """What waits for a restart; nothing new where nothing was touched, or can be read."""
        if plan.resource not in self.failed or plan.resource in self.done:
            return plan.pending
        looked_at = self.partly.get(plan.resource)
        return looked_at.pending if looked_at is not None else ()
