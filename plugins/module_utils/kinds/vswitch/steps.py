# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the plan of a vswitch to what is to be called."""

from __future__ import annotations

from ...engine.changes import LIVE
from ...engine.plan import DELETE, Plan
from ...engine.world import ACTIVE
from .planner import AUTOSTART, CONNECT, CONNECTIONS, RESTARTED, STATE
from .surroundings import LEFT


def steps_of(plan: Plan) -> list[str]:
    """What is to be called for a plan, in order; the applier has a function of each name."""
    was, will = plan.have.facts.get("state"), plan.after.facts.get("state")
    if plan.action == DELETE:
        stop = ["stop"] if was == ACTIVE else []
        stop += ["clear"] if any(change.field == LEFT for change in plan.changes) else []
        return stop + (["undefine"] if plan.have.facts["persistent"] else [])
    fields = {change.field for change in plan.changes}
    connects = any(change.applier == CONNECT for change in plan.changes)
    steps = ["define"] if fields - {STATE, AUTOSTART, CONNECTIONS, LEFT} else []
    steps += ["clear"] if LEFT in fields else []
    steps += ["autostart"] if AUTOSTART in fields else []
    if was == will == ACTIVE:
        restarts = any(change.after == RESTARTED for change in plan.changes)
        updates = any(c.effect == LIVE and c.field != CONNECTIONS for c in plan.changes)
        steps += ["restart"] if restarts else ["update"] if updates else []
        return [*steps, *([CONNECT] if connects else [])]
    if will == ACTIVE:
        return [*steps, "start", *([CONNECT] if connects else [])]
    return [*steps, *(["stop"] if was == ACTIVE else [])]
