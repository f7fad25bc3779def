# SPDX-License-Identifier: GPL-3.0-or-later
"""The run of `migration`: where a VM lives, the plan, the move, and that it is over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ansible.module_utils import basic

from ..engine.errors import FleetError, FleetErrors
from ..engine.showing import diffs, results, summary
from ..moving import unfinished
from ..moving.finishing import planned_end
from ..moving.hosts import reached
from ..moving.move import Move
from ..moving.options import Options, options_of
from ..moving.planned import Planned, planned
from ..moving.unfinished import Whereabouts, whereabouts
from . import secrecy
from .module import taken_params
from .sides import Opened, opened_sides


@dataclass
class Begun:
    """A run that has found out what there is to be done."""

    vm: str
    host: str  # where the VM is to live
    opened: Opened
    where: Whereabouts
    plan: Planned | None  # nothing where there is nothing to be done
    move: Move | None
    statistics: dict[str, Any] = field(default_factory=dict)


def run(module: basic.AnsibleModule) -> None:
    """Have one VM live on its host, and end the module."""
    try:
        params = taken_params(module)
        reaches, options = reached(params), options_of(params)
        with opened_sides(module, reaches) as opened:
            begun = _planned(params["name"], params["host"], options, opened)
            if begun.plan is not None and begun.move is not None and not module.check_mode:
                _apply(begun, begun.plan, begun.move)
            outcome = _report(begun)
    except FleetErrors as errors:
        module.fail_json(msg=str(errors), errors=[str(error) for error in errors.errors])
    except FleetError as error:
        module.fail_json(msg=str(error), errors=[str(error)])
    for warning in outcome.pop("warnings"):
        module.warn(warning)
    module.exit_json(**outcome)


def _planned(vm: str, host: str, options: Options, opened: Opened) -> Begun:
    where = whereabouts(opened.sides, vm, host, opened.unreachable)
    if where.todo == unfinished.NOTHING:
        return Begun(vm, host, opened, where, None, None)
    source = opened.sides[where.source or host]
    move = Move(vm, source, opened.sides[host], options)
    if where.todo == unfinished.FINISH:
        return Begun(vm, host, opened, where, planned_end(move, where), move)
    try:
        plan = planned(move)
    except FleetErrors:
        move = _looked_anew(move, opened)
        plan = planned(move)
    return Begun(vm, host, opened, where, plan, move)


def _looked_anew(move: Move, opened: Opened) -> Move:
    """The same move, once libvirt has looked at the pools that disks are to be copied into.

    What room there is in a pool, and what volumes, it tells of the last time that it looked.
    """
    from ..kinds.storage_volume.reader import refresh_pools
    from ..moving.fates import fates

    host = opened.hosts.get(move.target.name)
    if host is None:
        return move
    refresh_pools(host, {fate.pool_there for fate in fates(move) if fate.is_copied})
    return replace(move, target=move.target._replace(world=move.target.world.anew()))


# ---- apply


def _apply(begun: Begun, plan: Planned, move: Move) -> None:
    from ..moving import applier
    from ..moving.applier_job import Job

    hosts = begun.opened.hosts
    ends = hosts[move.source.name], hosts[move.target.name]
    job = Job(move, plan.plan, plan.mode, plan.fates, *ends)
    try:
        if begun.where.todo == unfinished.FINISH:
            applier.finish_left(job, begun.where)
        else:
            begun.statistics = {**applier.move(job), "progress": job.progress}
    except FleetError as error:  # libvirt and QEMU quote what they refuse
        raise next(secrecy.spared([error], plan.plan.wanted, move.have)) from error
    _verify(begun)


def _verify(begun: Begun) -> None:
    """Look again: the VM lives at the target alone, and nothing is left to do."""
    anew = begun.opened.anew()
    where = whereabouts(anew.sides, begun.vm, begun.host, anew.unreachable)
    if where.todo != unfinished.NOTHING:
        raise FleetError(
            f"is not at {begun.host} alone after it was moved; run again", f"migration/{begun.vm}"
        )


# ---- what is returned


def _report(begun: Begun) -> dict[str, Any]:
    outcome: dict[str, Any] = {
        "changed": begun.plan is not None,
        "host": begun.host,
        "warnings": [
            f"{name} could not be looked at: {error.message}"
            for name, error in begun.opened.unreachable.items()
        ],
        **_of_plan(begun),
    }
    if begun.plan is not None:
        outcome["warnings"] += begun.plan.plan.warnings
    if begun.statistics:
        outcome["statistics"] = begun.statistics
        outcome["warnings"] += _too_long(begun)
    return outcome


def _of_plan(begun: Begun) -> dict[str, Any]:
    if begun.plan is None:
        return {"plan": [], "diff": [], "summary": summary([]), "report": [], "disks": []}
    plan = begun.plan.plan
    return {
        "plan": results(plan.changes),
        "diff": diffs([plan]),
        "summary": summary([plan]),
        "report": begun.plan.report.told(),
        "mode": begun.plan.mode._asdict(),
        "disks": [_shown(fate._asdict()) for fate in begun.plan.fates],
        "source": begun.where.source,
    }


def _shown(fate: Mapping[str, Any]) -> dict[str, Any]:
    """What becomes of a disk, without what is not known of it."""
    return {name: value for name, value in fate.items() if value or name == "how"}


def _too_long(begun: Begun) -> list[str]:
    told = begun.statistics
    if told.get("within_downtime") is not False:
        return []
    return [
        f"{begun.vm} stood still for {told['downtime_ms']} ms, and downtime_ms is "
        f"{told['downtime_limit_ms']}"
    ]
