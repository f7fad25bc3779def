# SPDX-License-Identifier: GPL-3.0-or-later
"""From a plan for a secret to what is to be called."""

from __future__ import annotations

from ...engine.plan import CREATE, DELETE, Plan
from .table import PRIVATE, VALUE

DEFINE, OPEN, SET, UNDEFINE = "define", "define open", "set value", "undefine"


def steps_of(plan: Plan) -> list[str]:
    """What is to be called, in order; the applier has a function of each name.

    Libvirt tells nobody whether a private secret has a value. So it becomes private once it has
    one: a run that is killed before that leaves what the next one can see.
    """
    if plan.action == DELETE:
        return [UNDEFINE]
    changed = {change.field for change in plan.changes}
    sets, defines = VALUE in changed, plan.action == CREATE or bool(changed - {VALUE})
    closes = PRIVATE in changed and plan.after.definition.get("private") == "yes"
    if sets and defines and closes:
        return [OPEN, SET, DEFINE]
    return [*([DEFINE] if defines else []), *([SET] if sets else [])]
