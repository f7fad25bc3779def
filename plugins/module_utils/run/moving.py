# SPDX-License-Identifier: GPL-3.0-or-later
"""The run of `migration`: where a VM lives, the plan, the move, and that it is over.

What is declared of the VM beside is a part of the same plan: what leaves it goes before the move,
the rest comes after it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ansible.module_utils import basic

from ..engine.errors import ConnectionLost, FleetError, FleetErrors
from ..engine.plan import Plan
from ..engine.showing import diffs, results, summary
from ..moving import unfinished
from ..moving.finishing import planned_end
from ..moving.foreseen import after_leaving, after_moving
from ..moving.hosts import reached
from ..moving.move import Move
from ..moving.options import Options, options_of
from ..moving.planned import Planned, planned
from ..moving.side import Side
from ..moving.unfinished import Whereabouts, whereabouts
from . import secrecy
from .module import taken_params
from .moving_changes import (
    Declared,
    change_there,
    declared,
    planned_after,
    planned_before,
    put_back,
    take_out,
)
from .one_plan import end_with
from .sides import Opened, opened_sides

if TYPE_CHECKING:
    from ..moving.applier_job import Job


@dataclass
class Begun:
    """A run that has found out what there is to be done."""

    vm: str
    host: str  # where the VM is to live
    opened: Opened
    where: Whereabouts
    plan: Planned | None  # nothing where it lives there
    move: Move | None
    change: Declared
    before: Plan | None = None  # of the VM at the source
    after: list[Plan] = field(default_factory=list)  # of the VM and its volumes at the target
    statistics: dict[str, Any] = field(default_factory=dict)

    @property
    def plans(self) -> list[Plan]:
        """All that is done, in its order."""
        moves = [self.plan.plan] if self.plan is not None else []
        return [*([self.before] if self.before is not None else []), *moves, *self.after]


def run(module: basic.AnsibleModule) -> None:
    """Have one VM live on its host, and end the module."""
    end_with(module, lambda: _outcome(module))


def _outcome(module: basic.AnsibleModule) -> dict[str, Any]:
    params = taken_params(module)
    reaches, options, change = reached(params), options_of(params), declared(params)
    with opened_sides(module, reaches) as opened:
        begun = _planned(params["name"], params["host"], options, change, opened)
        if not module.check_mode:
            _apply(begun, options)
        return _report(begun)


def _planned(vm: str, host: str, options: Options, change: Declared, opened: Opened) -> Begun:
    where = whereabouts(opened.sides, vm, host, opened.unreachable)
    begun = Begun(vm, host, opened, where, None, None, change)
    there = opened.sides[host]
    if where.todo == unfinished.MOVE:
        begun.move = Move(vm, opened.sides[where.source], there, options)
        begun.before = planned_before(begun.move, change)
        if begun.before is not None:
            source = after_leaving(begun.move.source, begun.before.after)
            begun.move = replace(begun.move, source=source)
        _plan_move(begun)
        if change.wanted:
            there = _with_it(begun)
    elif where.todo == unfinished.FINISH:
        begun.move = Move(vm, opened.sides[where.source or host], there, options)
        begun.plan = planned_end(begun.move, where)
    begun.after = planned_after(there, change, options.admission)
    return begun


def _plan_move(begun: Begun) -> None:
    if begun.move is None:
        return
    try:
        begun.plan = planned(begun.move)
    except FleetErrors:
        begun.move = _looked_anew(begun.move, begun.opened)
        begun.plan = planned(begun.move)


def _with_it(begun: Begun) -> Side:
    """The target as it will be once the VM is there."""
    if begun.move is None or begun.plan is None:
        raise LookupError("nothing moves")
    return after_moving(begun.move, begun.plan.plan.after, begun.plan.fates)


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


def _apply(begun: Begun, options: Options) -> None:
    if begun.move is not None and begun.move.is_halted:
        _let_go_on(begun)
    if begun.before is not None:
        source = begun.where.source
        host, world = begun.opened.hosts[source], begun.opened.sides[source].world
        take_out(host, world, begun.before)
        try:
            anew = begun.opened.anew().sides
            move = Move(begun.vm, anew[source], anew[begun.host], options)
            begun.move = move
            _plan_move(begun)
            _carry(begun)
        except ConnectionLost:
            raise
        except (FleetError, FleetErrors) as error:
            raise _put_back(begun, begun.before, error) from error
    else:
        _carry(begun)
    if begun.after:
        there = begun.opened.anew().sides[begun.host]
        change_there(begun.opened.hosts[begun.host], there, begun.change, options.admission)


def _put_back(begun: Begun, done: Plan, error: FleetError | FleetErrors) -> FleetErrors:
    """What went wrong, once the VM is again as it was, where it still lives at the source."""
    errors = error.errors if isinstance(error, FleetErrors) else (error,)
    anew = begun.opened.anew()
    source = begun.where.source
    try:
        where = whereabouts(anew.sides, begun.vm, begun.host, anew.unreachable)
    except FleetError:
        return FleetErrors(errors)
    if where.todo != unfinished.MOVE:
        return FleetErrors(errors)
    said = put_back(anew.hosts[source], done, errors[0])
    return FleetErrors((said, *errors[1:]))


def _let_go_on(begun: Begun) -> None:
    job = _job(begun)
    if job is not None:
        from ..moving import applier

        applier.let_go_on(job)


def _job(begun: Begun) -> Job | None:
    plan, move = begun.plan, begun.move
    if plan is None or move is None:
        return None
    from ..moving.applier_job import Job

    hosts = begun.opened.hosts
    ends = hosts[move.source.name], hosts[move.target.name]
    return Job(move, plan.plan, plan.mode, plan.fates, *ends)


def _carry(begun: Begun) -> None:
    plan, job = begun.plan, _job(begun)
    if plan is None or job is None:
        return
    from ..moving import applier

    try:
        if begun.where.todo == unfinished.FINISH:
            applier.finish_left(job, begun.where)
        else:
            begun.statistics = {**applier.move(job), "progress": job.progress}
    except FleetError as error:  # libvirt and QEMU quote what they refuse
        raise next(secrecy.spared([error], plan.plan.wanted, job.move.have)) from error
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
        "changed": bool(begun.plans),
        "host": begun.host,
        "warnings": [
            f"{name} could not be looked at: {error.message}"
            for name, error in begun.opened.unreachable.items()
        ],
        **_of_plan(begun),
    }
    if begun.plan is not None:
        outcome["warnings"] += begun.plan.plan.warnings
    of_vm = [plan for plan in begun.plans if plan.wanted.kind != "migration"]
    outcome["warnings"] += [f"{one.resource}: {said}" for one in of_vm for said in one.warnings]
    if begun.change.wanted:
        outcome["pending_restart"] = [row for one in begun.after for row in results(one.pending)]
    if begun.statistics:
        outcome["statistics"] = begun.statistics
        outcome["warnings"] += _too_long(begun)
    return outcome


def _of_plan(begun: Begun) -> dict[str, Any]:
    plans = begun.plans
    told = {
        "plan": [row for plan in plans for row in results(plan.changes)],
        "diff": diffs(plans),
        "summary": summary(plans),
    }
    if begun.plan is None:
        return {**told, "report": [], "disks": []}
    return {
        **told,
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
