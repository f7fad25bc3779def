# SPDX-License-Identifier: GPL-3.0-or-later
"""The run of `evacuation`: who has to leave a host or comes back, where to, and what is noted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible.module_utils import basic
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ..engine.errors import FleetError, FleetErrors, Mistakes
from ..moving import evacuation, placing
from ..moving.case import Case
from ..moving.evacuation import Claims, Noted
from ..moving.hosts import ways
from ..moving.move import Move
from ..moving.options import OPTIONS_SPEC, options_of
from ..moving.placing import Guest, Limits, Placing
from ..moving.preflight import examined
from ..moving.side import Side
from . import arguments
from .sides import Opened, opened_sides

EVACUATED, HOME = "evacuated", "home"
LIMITS_SPEC = {
    "per_host": {"type": "int", "default": 2},
    "per_link": {"type": "int", "default": 2},
}
EVACUATION_SPEC: dict[str, Any] = {
    "host": {"type": "str", "required": True},
    "hosts": {"type": "dict", "required": True},
    "state": {"type": "str", "choices": [EVACUATED, HOME], "default": EVACUATED},
    "to": {"type": "list", "elements": "str"},
    "on_evacuate": {"type": "dict", "default": {}},
    "order": {"type": "list", "elements": "str", "default": []},
    "at_once": {"type": "dict", "default": {}, "options": LIMITS_SPEC},
    "memory_ratio": {"type": "float", "default": 1.0},
    "migration": {"type": "dict", "default": {}},
}


@dataclass
class Decided:
    """What becomes of all VMs, and what is to be noted of them."""

    guests: Mapping[str, Guest]
    placing: Placing
    starts: Sequence[str] = ()
    notes: Sequence[Noted] = ()
    how: dict[str, str] = field(default_factory=dict)


def run(module: basic.AnsibleModule) -> None:
    """Say what becomes of the VMs of a host, note where they are at home, and end the module."""
    params = module.params
    try:
        targets, moves, reaches = _checked(params)
        with opened_sides(module, reaches) as opened:
            decided = _decided(params, opened, targets, moves)
            if not module.check_mode:
                _note(opened, decided.notes)
    except (FleetError, FleetErrors) as error:
        errors = error.errors if isinstance(error, FleetErrors) else (error,)
        module.fail_json(msg=str(error), errors=[str(one) for one in errors])
    for name, why in opened.unreachable.items():
        module.warn(f"{name} could not be looked at: {why.message}")
    module.exit_json(**_told(params, decided))


def _checked(params: Mapping[str, Any]) -> tuple[list[str], dict[str, Any], dict[str, Any]]:
    """The hosts to which VMs may go, how they move, and how all hosts are reached."""
    mistakes = Mistakes("evacuation")
    reaches = ways(params["hosts"], mistakes)
    for name, least in {
        **_limits(params)._asdict(),
        "memory_ratio": params["memory_ratio"],
    }.items():
        if least <= 0:
            mistakes.add(f"{least:g} lets nothing move; it has to be above 0", name)
    said, wrong = arguments.check(ArgumentSpecValidator(OPTIONS_SPEC), params["migration"])
    for one in wrong:
        mistakes.add(one, "migration")
    mistakes.raise_any()
    if params["state"] == HOME:
        evacuation.targets_of(reaches, params["host"], None)
        return [params["host"]], said, reaches
    targets = evacuation.targets_of(reaches, params["host"], params["to"])
    return targets, said, {name: reaches[name] for name in (params["host"], *targets)}


def _limits(params: Mapping[str, Any]) -> Limits:
    given = params["at_once"] or {}
    return Limits(**{name: value for name, value in given.items() if value is not None})


def _decided(
    params: Mapping[str, Any], opened: Opened, targets: Sequence[str], moves: Mapping[str, Any]
) -> Decided:
    host, sides = params["host"], opened.sides
    if host in opened.unreachable:
        raise opened.unreachable[host]
    come = evacuation.returning(sides, host) if params["state"] == HOME else None
    those = come.guests if come else evacuation.leaving(sides[host], params["on_evacuate"])
    guests = {one.name: one for one in placing.in_order(those, params["order"])}
    rooms = [evacuation.room_of(sides[name]) for name in targets if name in sides]
    how: dict[str, str] = {}
    claims = Claims()

    def asks(guest: Guest, target: str) -> list[str]:
        case = _case(guest, sides, target, moves)
        how[guest.name] = f"{case.mode.name}, {case.mode.storage} storage"
        against = [one.text().partition(" ")[2] for one in examined(case).fails]
        return against or claims.against(guest.name, target, case.fates)

    found = placing.placed(guests.values(), rooms, asks, params["memory_ratio"])
    if come:
        return Decided(guests, found, come.starts, come.notes, how)
    notes = evacuation.notes_before(found, sides[host], guests)
    return Decided(guests, found, (), notes, how)


def _case(guest: Guest, sides: Mapping[str, Side], target: str, moves: Mapping[str, Any]) -> Case:
    options = options_of({**moves, "name": guest.name})
    return Case(Move(guest.name, sides[guest.source], sides[target], options))


def _note(opened: Opened, notes: Sequence[Noted]) -> None:
    from ..moving import applier_homes

    for noted in notes:
        applier_homes.write(opened.hosts[noted.side], noted)


def _told(params: Mapping[str, Any], decided: Decided) -> dict[str, Any]:
    found, limits = decided.placing, _limits(params)
    turns = placing.waves(found.moves, limits)
    return {
        "changed": bool(decided.notes),
        "moves": [one._asdict() for one in found.moves],
        "turns": [[one._asdict() for one in turn] for turn in turns],
        "shutdowns": list(found.shutdowns),
        "stays": list(found.stays),
        "starts": list(decided.starts),
        "refused": [{"name": one.name, "reasons": list(one.reasons)} for one in found.refused],
        "notes": [{"name": one.name, "home": one.home and one.home.host} for one in decided.notes],
        "table": placing.table(found, limits, decided.guests, decided.how, decided.starts),
    }
