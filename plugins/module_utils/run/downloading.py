# SPDX-License-Identifier: GPL-3.0-or-later
"""The run of `storage_download`: what is at the place, the plan, the copy, and that it is there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ansible.module_utils import basic

from ..engine.errors import FleetError
from ..engine.facts import Facts
from ..engine.world import World
from ..host.connection import Host
from ..host.lively import open_watched
from ..kinds.storage_download.declared import Declared, declared_of
from ..kinds.storage_download.facts import DestFacts, lasting
from ..kinds.storage_download.planned import Case, Planned, planned
from ..kinds.storage_download.readers import FOR_PLANS
from ..kinds.storage_volume.volumes import backing_of, format_of
from .module import taken_params
from .one_plan import end_with, made_of, outcome_of


def run(module: basic.AnsibleModule) -> None:
    """Have a file be what a volume is, and end the module."""
    end_with(module, lambda: _outcome(module))


def _outcome(module: basic.AnsibleModule) -> dict[str, Any]:
    declared = declared_of(taken_params(module))
    lenient = module.check_mode

    def plan(_host: Host | None, facts: Facts) -> Planned:
        return _seen(declared, facts, lenient)

    # A stream from a host that no longer answers would never end.
    return outcome_of(module, FOR_PLANS, plan, _shown, _apply, open_watched)


def _seen(declared: Declared, facts: Facts, lenient: bool) -> Planned:
    """The plan, with the facts that it was made from."""
    with facts.scope() as asked:
        found = planned(Case(World(facts, {}), declared, lenient))
    plan = made_of(found.plan, facts, asked)
    return replace(found, plan=replace(plan, facts=lasting(plan.facts)))


def _apply(host: Host, begun: Planned, facts: Facts) -> dict[str, Any]:
    from ..kinds.storage_download.applier import download

    done = download(host, begun)
    wanted = begun.case.wanted
    there = DestFacts(facts.anew()).dest(wanted.dest)
    if there.type != "file" or there.size != done["size_bytes"]:
        message = f"{wanted.dest} is not there as it was written; run again"
        raise FleetError(message, wanted.resource, "dest")
    statistics = done.pop("statistics")
    return {"file": {**_file(begun), **done}, "statistics": statistics}


# ---- what is returned


def _shown(begun: Planned) -> dict[str, Any]:
    return {"file": _file(begun)}


def _file(begun: Planned) -> dict[str, Any]:
    """The file as it is once the plan is done, without what is not known."""
    case = begun.case
    said: dict[str, Any] = {"dest": case.wanted.dest}
    if not begun.plan.changed:
        said["size_bytes"] = case.dest.size
    elif case.volume.exists:
        said["size_bytes"] = case.size
    if case.volume.exists:
        said.update(format=format_of(case.volume), backing=backing_of(case.volume))
    digits = case.wanted.digits
    said["checksum"] = f"{case.wanted.algorithm}:{digits}" if digits else ""
    return {name: value for name, value in said.items() if value != ""}
