# SPDX-License-Identifier: GPL-3.0-or-later
"""The run of `vm_restore`: the backup, the plan, the VM that is made of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ansible.module_utils import basic

from ..engine.errors import FleetError
from ..engine.facts import Facts
from ..engine.world import World
from ..host.connection import Host
from ..kinds.vm_backup import facts as of_backups
from ..kinds.vm_restore.case import Case
from ..kinds.vm_restore.declared import Declared, declared_of
from ..kinds.vm_restore.planned import Planned, planned
from ..kinds.vm_restore.readers import FOR_PLANS
from . import secrecy
from .module import taken_params
from .one_plan import check_done, end_with, made_of, outcome_of


def run(module: basic.AnsibleModule) -> None:
    """Have one VM be as in a backup, and end the module."""
    end_with(module, lambda: _outcome(module))


def _outcome(module: basic.AnsibleModule) -> dict[str, Any]:
    declared = declared_of(taken_params(module))

    def plan(_host: Host | None, facts: Facts) -> Planned:
        return _planned(declared, facts)

    return outcome_of(module, FOR_PLANS, plan, _shown, _apply)


def _planned(declared: Declared, facts: Facts) -> Planned:
    """The plan, with the facts that it was made from."""
    with facts.scope() as asked:
        found = planned(Case(World(facts, {}), declared))
    plan = made_of(found.plan, facts, asked)
    return replace(found, plan=replace(plan, facts=of_backups.lasting(plan.facts)))


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
