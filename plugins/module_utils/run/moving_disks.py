# SPDX-License-Identifier: GPL-3.0-or-later
"""The run of `storage_migration`: where a disk is, the plan, the copy, and that it is over."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ansible.module_utils import basic

from ..engine.errors import FleetError, FleetErrors
from ..engine.facts import Facts
from ..engine.world import World
from ..host.connection import Host
from ..host.live_moves import READS as OF_MOVES
from ..kinds.storage_volume.kind import KIND as STORAGE_VOLUME
from ..moving.disks.found import DiskMove
from ..moving.disks.options import Declared, declared_of
from ..moving.disks.planned import Planned, planned
from ..moving.side import Side
from . import secrecy
from .module import taken_params
from .one_plan import check_done, end_with, made_of, outcome_of


def run(module: basic.AnsibleModule) -> None:
    """Have one disk of a VM live in its pool, and end the module."""
    end_with(module, lambda: _outcome(module))


def _outcome(module: basic.AnsibleModule) -> dict[str, Any]:
    declared = declared_of(taken_params(module))

    def plan(host: Host | None, facts: Facts) -> Planned:
        return _planned(declared, host, facts)

    return outcome_of(module, (*STORAGE_VOLUME.reads, OF_MOVES), plan, _shown, _apply)


def _planned(declared: Declared, host: Host | None, facts: Facts) -> Planned:
    try:
        return _seen(declared, facts)
    except FleetErrors:
        if host is None:
            raise
        # What room there is in a pool, and what volumes, libvirt tells of when it last looked.
        from ..kinds.storage_volume.reader import refresh_pools

        refresh_pools(host, [declared.pool])
        return _seen(declared, facts.anew())


def _seen(declared: Declared, facts: Facts) -> Planned:
    """The plan, with the facts that it was made from."""
    with facts.scope() as asked:
        found = planned(_move(declared, facts))
    return replace(found, plan=made_of(found.plan, facts, asked))


def _move(declared: Declared, facts: Facts) -> DiskMove:
    world = World(facts, {STORAGE_VOLUME.name: STORAGE_VOLUME})
    uri = world.host.uri
    return DiskMove(Side("", uri, uri, world), declared)


def _apply(host: Host, begun: Planned, facts: Facts) -> dict[str, Any]:
    from ..moving.disks.applier import move_disk

    plan = begun.plan
    try:
        told = move_disk(host, begun)
    except FleetError as error:  # libvirt and QEMU quote what they refuse
        raise next(secrecy.spared([error], plan.wanted, plan.have)) from error
    left = planned(_move(begun.move.wanted, facts.anew())).plan
    check_done(left)
    return {"statistics": told}


# ---- what is returned


def _shown(begun: Planned) -> dict[str, Any]:
    """Where the disk is in the end, and what it has left."""
    from ..moving.disks.told import told

    mode = {} if begun.fate is None else {"mode": begun.mode}
    return {"disk": told(begun), **mode}
