# SPDX-License-Identifier: GPL-3.0-or-later
"""The run of `vm_restore`: the backup, the plan, the VM that is made of it."""

from __future__ import annotations

from typing import Any

from ansible.module_utils import basic

from ..engine.errors import FleetError
from ..engine.facts import Facts
from ..engine.world import World
from ..host.connection import Host
from ..kinds.vm_restore.case import Case
from ..kinds.vm_restore.declared import declared_of
from ..kinds.vm_restore.planned import Planned, planned
from ..kinds.vm_restore.readers import FOR_PLANS
from . import secrecy
from .module import taken_params
from .one_plan import check_done, end_with
from .with_backups import outcome_with_backups


def run(module: basic.AnsibleModule) -> None:
    """Have one VM be as in a backup, and end the module."""
    end_with(module, lambda: _outcome(module))


def _outcome(module: basic.AnsibleModule) -> dict[str, Any]:
    declared = declared_of(taken_params(module))

    def plan_in(world: World) -> Planned:
        return planned(Case(world, declared))

    return outcome_with_backups(module, FOR_PLANS, plan_in, _shown, _apply)


def _apply(host: Host, begun: Planned, facts: Facts) -> dict[str, Any]:
    from ..kinds.vm_restore.applier import restore

    plan = begun.plan
    try:
        statistics = restore(host, begun)
    except FleetError as error:  # libvirt quotes what it refuses
        raise next(secrecy.spared([error], plan.wanted, plan.have, plan.after)) from error
    wanted = begun.case.wanted._replace(overwrite=False, before=0, backup=begun.case.backup.id)
    left = planned(Case(World(facts.anew(), {}), wanted)).plan
    check_done(left)
    return {"statistics": statistics}


# ---- what is returned


def _shown(begun: Planned) -> dict[str, Any]:
    from ..kinds.vm_restore.told import told

    return {"vm": told(begun)}
