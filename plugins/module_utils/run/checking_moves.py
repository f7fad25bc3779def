# SPDX-License-Identifier: GPL-3.0-or-later
"""The run of `migration_check`: what stands for and against a move. No host is changed by it."""

from __future__ import annotations

from typing import Any

from ansible.module_utils import basic

from ..engine.errors import FleetError, FleetErrors
from ..moving.case import Case
from ..moving.findings import Finding, Report
from ..moving.hosts import reached
from ..moving.move import Move
from ..moving.options import Options, options_of
from ..moving.preflight import examined
from ..moving.unfinished import FINISH, NOTHING, whereabouts
from .module import taken_params
from .sides import Opened, opened_sides

FAIL_SPEC: dict[str, Any] = {"fail": {"type": "bool", "default": False}}


def run(module: basic.AnsibleModule) -> None:
    """Look at a move, and end the module."""
    try:
        params = taken_params(module)
        reaches, options = reached(params), options_of(params)
        with opened_sides(module, reaches, changes=False) as opened:
            outcome = _looked_at(params["name"], params["host"], options, opened)
    except FleetErrors as errors:
        module.fail_json(msg=str(errors), errors=[str(error) for error in errors.errors])
    except FleetError as error:
        module.fail_json(msg=str(error), errors=[str(error)])
    for name, missed in opened.unreachable.items():
        module.warn(f"{name} could not be looked at: {missed.message}")
    if params["fail"] and not outcome["ok"]:
        against = [finding for finding in outcome["text"] if finding.startswith("fail ")]
        module.fail_json(msg="; ".join(against), errors=against, **outcome)
    module.exit_json(changed=False, **outcome)


def _looked_at(vm: str, host: str, options: Options, opened: Opened) -> dict[str, Any]:
    where = whereabouts(opened.sides, vm, host, opened.unreachable)
    if where.todo in (NOTHING, FINISH):
        return {**_told(Report((_at_home(where.todo, host),))), "source": "", "disks": []}
    move = Move(vm, opened.sides[where.source], opened.sides[host], options)
    case = Case(move)
    return {
        **_told(examined(case)),
        "source": where.source,
        "mode": case.mode._asdict(),
        "disks": [fate.told() for fate in case.fates],
    }


def _at_home(todo: str, host: str) -> Finding:
    if todo == NOTHING:
        return Case.passed("whereabouts", f"it lives at {host} already", "host")
    message = f"it lives at {host}, and an interrupted move was not cleared up"
    return Case.warned("whereabouts", message, "run kvm.fleet.migration, which does", "host")


def _told(report: Report) -> dict[str, Any]:
    return {"ok": report.ok, "report": report.told(), "text": list(report.text())}
