# SPDX-License-Identifier: GPL-3.0-or-later
"""The run of `vm_backup`: what is kept of a VM, the plan, the backup, and that it is whole."""

from __future__ import annotations

from typing import Any

from ansible.module_utils import basic

from ..engine.errors import FleetError
from ..engine.facts import Facts
from ..engine.world import World
from ..host.connection import Host
from ..kinds.vm_backup.case import Case
from ..kinds.vm_backup.declared import Declared, declared_of
from ..kinds.vm_backup.manifest import Backup
from ..kinds.vm_backup.planned import Planned, planned
from ..kinds.vm_backup.readers import FOR_PLANS
from .module import taken_params
from .one_plan import check_done, end_with
from .with_backups import outcome_with_backups


def run(module: basic.AnsibleModule) -> None:
    """Have the backups of one VM be as declared, and end the module."""
    end_with(module, lambda: _outcome(module))


def _outcome(module: basic.AnsibleModule) -> dict[str, Any]:
    declared = declared_of(taken_params(module))

    def plan_in(world: World) -> Planned:
        return planned(Case(world, declared))

    return outcome_with_backups(module, FOR_PLANS, plan_in, _shown, _apply)


def _apply(host: Host, begun: Planned, facts: Facts) -> dict[str, Any]:
    from ..kinds.vm_backup.applier import back_up

    made, statistics = back_up(host, begun)
    wanted = begun.case.wanted
    seen = _verified(wanted if made is None else wanted._replace(name=made.id), facts, made)
    return {**_shown(seen), **({"statistics": statistics} if made is not None else {})}


def _verified(declared: Declared, facts: Facts, made: Backup | None) -> Planned:
    """Plan again: nothing may be left to do, and what was made is there."""
    again = planned(Case(World(facts.anew(), {}), declared))
    check_done(again.plan)
    if made is not None and again.case.by_id.get(made.id) != made:
        raise FleetError("is not there as it was made; run again", again.case.resource)
    return again


# ---- what is returned


def _shown(begun: Planned) -> dict[str, Any]:
    from ..kinds.vm_backup.told import left, predicted

    return {"backup": predicted(begun), "backups": left(begun)}
