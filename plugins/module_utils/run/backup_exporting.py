# SPDX-License-Identifier: GPL-3.0-or-later
"""The run of `vm_backup_export`: what is exported of a VM, the plan, and that it was done."""

from __future__ import annotations

from typing import Any

from ansible.module_utils import basic

from ..engine.facts import Facts
from ..engine.world import World
from ..host.connection import Host
from ..kinds.vm_backup_export.case import Case
from ..kinds.vm_backup_export.declared import declared_of
from ..kinds.vm_backup_export.planned import Planned, planned
from ..kinds.vm_backup_export.readers import FOR_PLANS
from .module import taken_params
from .one_plan import check_done, end_with
from .with_backups import outcome_with_backups


def run(module: basic.AnsibleModule) -> None:
    """Have the export of one VM be as declared, and end the module."""
    end_with(module, lambda: _outcome(module))


def _outcome(module: basic.AnsibleModule) -> dict[str, Any]:
    declared = declared_of(taken_params(module))

    def plan_in(world: World) -> Planned:
        return planned(Case(world, declared))

    def apply(host: Host, begun: Planned, facts: Facts) -> dict[str, Any]:
        from ..kinds.vm_backup_export.applier import export

        export(host, begun)
        again = plan_in(World(facts.anew(), {}))
        check_done(again.plan)
        return _shown(again)

    return outcome_with_backups(module, FOR_PLANS, plan_in, _shown, apply)


def _shown(found: Planned) -> dict[str, Any]:
    from ..kinds.vm_backup_export.told import told

    return {"export": told(found)}
