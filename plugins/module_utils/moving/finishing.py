# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of a run that finishes what an interrupted one began: the VM is at the target by now."""

from __future__ import annotations

from collections.abc import Iterator

from ..engine.changes import Change, Mended
from ..engine.keys import ABSENT
from ..engine.plan import UPDATE, Plan, Wanted
from .fate import DiskFate
from .fates import fates
from .findings import Report
from .mode import Mode
from .move import Move
from .planned import Planned, goes_on, left_behind
from .unfinished import Whereabouts


def planned_end(move: Move, where: Whereabouts) -> Planned:
    """What is left to be done of a move."""
    goes: list[Change] = [*([] if where.source else goes_on(move)), *_mended(move, where)]
    disks: tuple[DiskFate, ...] = ()
    if where.source:
        goes += left_behind(move)
        disks = tuple(fates(move))
    wanted = Wanted("migration", move.vm, "present")
    plan = Plan(wanted, UPDATE, move.there, move.there, tuple(goes))
    why = f"an interrupted run moved it from {where.noted.source} to {where.noted.target}"
    return Planned(plan, Report(), Mode(where.noted.mode, "", why), disks)


def _mended(move: Move, where: Whereabouts) -> Iterator[Change]:
    note = "left by a move that was interrupted"
    for volume in where.marks:
        yield Mended(move.resource, ("volumes", volume), "half-made", "whole", note=note)
    if where.source:
        field = ("hosts", where.source)
        yield Mended(move.resource, field, "its old definition", ABSENT, note=note)
    else:
        yield Mended(move.resource, ("metadata",), "notes of a move", ABSENT, note=note)
