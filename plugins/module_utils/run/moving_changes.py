# SPDX-License-Identifier: GPL-3.0-or-later
"""A change of a VM that is declared with its move: what of it goes before, and what after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ..engine.errors import FleetError, FleetErrors, Mistakes
from ..engine.plan import Plan, Wanted
from ..engine.showing import names
from ..engine.world import World
from ..host.connection import Host
from ..kinds.together.vm_rules import RULES
from ..kinds.vm.kind import KIND as VM
from ..moving.departing import leaving
from ..moving.fates import fates
from ..moving.move import Move
from ..moving.side import Side
from . import arguments
from .done import Run
from .planning import plan_all

SPEC: dict[str, Any] = {"vm": {"type": "dict"}}


@dataclass(frozen=True)
class Declared:
    """What is declared of the VM, and of the volumes that its disks bring."""

    wanted: tuple[Wanted, ...] = ()

    @property
    def vm(self) -> Wanted:
        """The VM itself."""
        return self.wanted[-1]


def options_within() -> dict[str, Any]:
    """The options of a VM, which are looked at by `declared`."""
    spec = VM.spec()
    del spec["name"]
    return {"vm": {**SPEC["vm"], "options": spec}}


def declared(params: Mapping[str, Any]) -> Declared:
    """What a user declares of the VM that moves. Or FleetErrors."""
    given = params["vm"]
    if not given:
        return Declared()
    mistakes = Mistakes(f"migration/{params['name']}")
    spec = VM.spec()
    if "name" in given:
        mistakes.add("has a name; that of the VM is said once, by name", "vm")
    checked, wrong = arguments.check(ArgumentSpecValidator(spec), {**given, "name": params["name"]})
    for message in wrong:
        mistakes.add(message, "vm")
    if checked.get("state") == "absent":
        mistakes.add("is absent, and a VM that is to go is not moved", "vm.state")
    mistakes.raise_any()
    return Declared(tuple(VM.parse(checked)))


# ---- plans


def planned_before(move: Move, change: Declared) -> Plan | None:
    """What is taken out of the VM before it moves; nothing where there is nothing."""
    if not change.wanted:
        return None
    wanted = leaving(change.vm, move.have, fates(move))
    if wanted is None:
        return None
    [plan] = plan_all(move.source.world, [wanted], (), lambda: RULES)
    return plan if plan.changed else None


def planned_after(side: Side, change: Declared, admission: str) -> list[Plan]:
    """What is done at the target, once the VM is there."""
    if not change.wanted:
        return []
    world = side.world
    world.admission = admission
    return [plan for plan in plan_all(world, change.wanted, (), lambda: RULES) if plan.changed]


# ---- apply


def take_out(host: Host, world: World, plan: Plan) -> None:
    """Take out of the VM what goes before the move."""
    _applied(host, world, [plan])


def put_back(host: Host, done: Plan, error: FleetError) -> FleetError:
    """The error of a move, once the VM has again what was taken out of it for that."""
    from ..moving import applier_back

    told = ", ".join(names(done.changes))
    try:
        applier_back.put_back(host, done.have)
    except FleetError as failed:
        said = f"{told} had been taken out of it before, and could not be put back ({failed})"
    else:
        said = f"{told} had been taken out of it before, and was put back"
    return FleetError(f"{error.message}; {said}", error.resource, error.field)


def change_there(host: Host, side: Side, change: Declared, admission: str) -> None:
    """Do at the target what is left of a change. FleetErrors where something fails."""
    plans = planned_after(side, change, admission)
    try:
        _applied(host, side.world, plans)
    except FleetErrors as errors:
        where = f"it lives at {side.name} by now, and what was declared with the move is not done"
        raise FleetErrors(
            FleetError(f"{one.message}; {where}: run again", one.resource, one.field)
            for one in errors.errors
        ) from errors


def _applied(host: Host, world: World, plans: Sequence[Plan]) -> None:
    if not any(plan.changed for plan in plans):
        return
    from .applying import apply_all
    from .promising import in_turn

    done = Run(list(plans))
    apply_all(host, world, done, in_turn)
    if done.failed:
        raise FleetErrors(list(done.failed.values()))
