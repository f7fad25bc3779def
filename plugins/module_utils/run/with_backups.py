# SPDX-License-Identifier: GPL-3.0-or-later
"""What the runs of `vm_backup` and `vm_restore` have in common: plans about a folder of backups."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from ansible.module_utils import basic

from ..engine.facts import Facts, Reads
from ..engine.world import World
from ..host.connection import Host
from ..kinds.vm_backup.facts import lasting
from .one_plan import P, made_of, outcome_of


def outcome_with_backups(
    module: basic.AnsibleModule,
    reads: Iterable[Reads],
    plan_in: Callable[[World], P],
    shown: Callable[[P], dict[str, Any]],
    apply: Callable[[Host, P, Facts], dict[str, Any]],
) -> dict[str, Any]:
    """What a run returns whose plan is made in a world without resources."""

    def planned(_host: Host | None, facts: Facts) -> P:
        with facts.scope() as asked:
            found = plan_in(World(facts, {}))
        plan = made_of(found.plan, facts, asked)
        return replace(found, plan=replace(plan, facts=lasting(plan.facts)))

    return outcome_of(module, reads, planned, shown, apply)
