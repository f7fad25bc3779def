# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of a move that is to begin: what goes, what becomes of it there, and what stays."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import NamedTuple

from ..engine.changes import LIVE, STORED, Change, Kept, Lost, Mended
from ..engine.errors import FleetErrors
from ..engine.plan import UPDATE, Have, Plan, Wanted
from ..engine.traits import STATE
from ..kinds.storage_volume import layouts
from ..kinds.vm.state_files import NAMES, StateFile, others_with, state_folders
from ..kinds.vm.states import RUNNING
from .case import Case
from .changes import Carried, Cleared, Copied, Moved
from .fate import DiskFate, layout_kept, snapshots_lost
from .fates import fates
from .findings import Report
from .mapped import definition_there
from .mode import Mode
from .move import Move
from .notes import without_note
from .preflight import examined
from .states import state_files
from .users import OthersThere

HOST = ("host",)
COPIES = "copies"  # as what a plan shows what is made at the target


class Planned(NamedTuple):
    """A move that can be made."""

    plan: Plan
    report: Report
    mode: Mode
    fates: tuple[DiskFate, ...]


def planned(move: Move) -> Planned:
    """The plan of a move. FleetErrors name everything that stands against it."""
    case = Case(move)
    report = examined(case)
    if not report.ok:
        raise FleetErrors(report.errors(move.resource))
    changes = (*goes_on(move), *_moved(case), *_went_over(case), *left_behind(move))
    plan = Plan(
        Wanted("migration", move.vm, "present", {HOST: move.target.name}),
        UPDATE,
        move.have,
        _after(case),
        changes,
        warnings=tuple(finding.text() for finding in report.warns),
    )
    return Planned(plan, report, case.mode, tuple(case.fates))


def _after(case: Case) -> Have:
    """The VM as it will be at the target."""
    have = case.move.have
    stored = definition_there(case.move, case.fates, have.definition)
    live = have.live and definition_there(case.move, case.fates, have.running)
    facts = {**have.facts, "state": RUNNING} if case.move.is_halted else have.facts
    return Have("vm", have.name, without_note(stored), live and without_note(live), facts)


def goes_on(move: Move) -> Iterator[Change]:
    """What was stopped by a move that was cut off runs first."""
    if move.is_halted:
        note = "it was stopped by a move that was cut off"
        yield Mended(move.resource, STATE, "stands still", RUNNING, note=note)


def _moved(case: Case) -> Iterator[Change]:
    move, mode = case.move, case.mode
    note = f"{mode.name}, {mode.storage} storage: {mode.why}"
    effect = LIVE if mode.is_live else STORED
    yield Moved(move.resource, HOST, move.source.name, move.target.name, effect, note=note)


def _went_over(case: Case) -> Iterator[Change]:
    move = case.move
    for fate in case.fates:
        if fate.is_copied:
            stands = f", on {fate.backing}" if fate.backing else ""
            layout = layouts.told(layout_kept(move, fate))
            like = f"; laid out as now: {layout}" if layout else ""
            yield Copied(
                move.resource,
                (COPIES, *fate.key),
                None,
                f"{move.target.name}: {fate.there}",
                note=f"{fate.how}{stands}, from {move.source.name}: {fate.source}{like}",
            )
    for file in state_files(move):
        yield Carried(
            move.resource,
            (COPIES, file.field),
            None,
            f"{move.target.name}: {file.path}",
            note=f"{NAMES[file.field]}, from {move.source.name}",
        )


def left_behind(move: Move) -> list[Change]:
    """What the source still has once the VM has left: what goes there, and what stays."""
    return [*_disks_behind(move), *_state_behind(move)]


def _disks_behind(move: Move) -> Iterator[Change]:
    users = OthersThere(move.source.world, move.have)
    for fate in fates(move):
        if fate.is_copied:
            why = _why_kept(move, fate, users)
            fits = (f"at {move.source.name}", f"{fate.below} stays there too" if fate.below else "")
            note = "; ".join(filter(None, (*fits, why)))
            make = Kept if why else Lost
            yield make(move.resource, fate.key, fate.source, note=note)


def _why_kept(move: Move, fate: DiskFate, users: OthersThere) -> str:
    """Why an old disk stays at the source; empty where it goes."""
    if not move.options.remove_source_storage:
        return "remove_source_storage: true removes it"
    if not fate.volume:
        return "it is in no storage pool"
    lost = snapshots_lost(move, fate)
    if lost:
        return f"it alone has its {lost} snapshots"
    return users.of(fate.source if fate.source.startswith("/") else "")


def _state_behind(move: Move) -> Iterator[Change]:
    """Where libvirt keeps its own state files there is nobody else's; elsewhere nobody knows."""
    for file in state_files(move):
        at = f"at {move.source.name}"
        others = others_with(move.vm, file, move.source.world)
        if others:
            note = f"{at}, {', '.join(others)} uses it too"
            yield Kept(move.resource, (file.field,), file.path, note=note)
        elif _is_libvirts(move, file):
            yield Cleared(move.resource, (file.field,), file.path, note=at)
        else:
            yield Kept(move.resource, (file.field,), file.path, note=f"{at}, in a folder of others")


def _is_libvirts(move: Move, file: StateFile) -> bool:
    return file.removable and posixpath.dirname(file.path) in state_folders(move.source.host)
