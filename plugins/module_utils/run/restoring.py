# SPDX-License-Identifier: GPL-3.0-or-later
"""The run of `vm_restore`: the backup, the plan, the VM that is made of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ansible.module_utils import basic

from ..engine.errors import FleetError, FleetErrors
from ..engine.facts import Facts
from ..engine.showing import diffs, results, summary
from ..engine.unknown import said
from ..engine.world import World
from ..host.connection import Host
from ..kinds.vm_backup import facts as of_backups
from ..kinds.vm_restore.case import Case
from ..kinds.vm_restore.declared import Declared, declared_of
from ..kinds.vm_restore.planned import Planned, planned
from ..kinds.vm_restore.readers import FOR_PLANS
from . import secrecy
from .module import taken_params
from .opening import opened


def run(module: basic.AnsibleModule) -> None:
    """Have one VM be as in a backup, and end the module."""
    try:
        declared = declared_of(taken_params(module))
        with opened(module, (), more=FOR_PLANS) as (host, facts):
            begun = _planned(declared, facts)
            _check_expected(module.params["expect"], begun, facts)
            outcome = _report(begun, module.check_mode, facts)
            if host is not None and not module.check_mode and begun.plan.changed:
                outcome.update(_apply(host, begun, facts))
    except FleetErrors as errors:
        module.fail_json(msg=str(errors), errors=[str(error) for error in errors.errors])
    except FleetError as error:
        module.fail_json(msg=str(error), errors=[str(error)])
    for warning in outcome.pop("warnings"):
        module.warn(warning)
    module.exit_json(**outcome)


def _planned(declared: Declared, facts: Facts) -> Planned:
    """The plan, with the facts that it was made from."""
    with facts.scope() as asked:
        found = planned(Case(World(facts, {}), declared))
    unknown = tuple(said(fact for fact in facts.missing if fact in asked))
    plan = found.plan
    warnings = (*plan.warnings, *unknown)
    lasting = of_backups.lasting(frozenset(asked))
    return replace(found, plan=replace(plan, facts=lasting, warnings=warnings))


def _check_expected(given: Any, begun: Planned, facts: Facts) -> None:
    if given is not None:
        from .expecting import check

        check(given, [begun.plan], facts)


def _apply(host: Host, begun: Planned, facts: Facts) -> dict[str, Any]:
    from ..kinds.vm_restore.applier import restore

    plan = begun.plan
    try:
        statistics = restore(host, begun)
    except FleetError as error:  # libvirt quotes what it refuses
        raise next(secrecy.spared([error], plan.wanted, plan.have, plan.after)) from error
    wanted = begun.case.wanted._replace(overwrite=False, before=0, backup=begun.case.backup.id)
    left = planned(Case(World(facts.anew(), {}), wanted)).plan
    if left.changed:
        fields = ", ".join(row["field"] for row in results(left.changes))
        raise FleetError(f"did not converge: {fields} is left to be done; run again", plan.resource)
    return {"statistics": statistics}


# ---- what is returned


def _report(begun: Planned, checks: bool, facts: Facts) -> dict[str, Any]:
    plan = begun.plan
    outcome: dict[str, Any] = {
        "changed": plan.changed,
        "plan": results(plan.changes),
        "summary": summary([plan]),
        "diff": diffs([plan]),
        "warnings": [f"{plan.resource}: {warning}" for warning in plan.warnings],
        **_shown(begun),
    }
    if checks:
        outcome["made_from"] = _made_from(begun, facts)
    return outcome


def _shown(begun: Planned) -> dict[str, Any]:
    from ..kinds.vm_restore.told import told

    return {"vm": told(begun)}


def _made_from(begun: Planned, facts: Facts) -> dict[str, Any]:
    if not begun.plan.changed:
        return {}
    from ..engine.binding import bound

    return {begun.plan.resource: bound(begun.plan, facts)}
