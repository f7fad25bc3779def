# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan for the export of a VM: what is begun, what ends, what a killed run left."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from ...engine.changes import LIVE, STORED, Change, Mended
from ...engine.errors import FleetError, FleetErrors
from ...engine.keys import ABSENT
from ...engine.plan import NONE, UPDATE, Have, Plan, Wanted
from ..vm_backup.disks import Disk, chosen
from ..vm_backup.resting import quiesces_in
from .case import Case
from .changes import Begun, Dropped, Ended
from .checks import (
    against_change,
    against_checkpoints,
    against_place,
    against_room,
    against_server,
    against_vm,
    warnings,
)
from .declared import KIND
from .facts import uri_of


@dataclass(frozen=True)
class Planned:
    """All that is done about the export of a VM."""

    case: Case
    plan: Plan
    disks: tuple[Disk, ...] = ()  # of the export that is begun; none where none is
    quiesces: bool = False
    ends: bool = False  # whether what is noted, and under way, comes to its end first
    drops: tuple[str, ...] = ()  # checkpoints that go with that

    @property
    def tracked(self) -> tuple[str, ...]:
        """Targets of the disks that the new checkpoint has."""
        wanted = self.case.wanted.checkpoint
        return tuple(one.target for one in self.disks if wanted and one.format == "qcow2")


def planned(case: Case) -> Planned:
    """The plan. FleetErrors name everything that stands against it."""
    _refuse([*against_place(case)])
    if case.wanted.state == str(ABSENT):
        return _told(_ended(case), "")
    _refuse([*against_vm(case)])
    if case.under_way is not None and case.mark is not None and case.mark.begun:
        _refuse([*against_change(case)])
        return Planned(case, _none(case))
    disks, errors = chosen(case.disks, case.wanted)
    _refuse(errors)
    quiesces, about_rest, errors = quiesces_in(case, case.wanted.quiesce)
    _refuse(
        [
            *errors,
            *against_server(case),
            *against_checkpoints(case, disks),
            *against_room(case, disks),
        ]
    )
    begun = Planned(
        case,
        replace(_none(case), warnings=tuple(warnings(case, disks))),
        tuple(disks),
        quiesces,
        case.mark is not None,
        (case.own_checkpoint,) if case.own_checkpoint else (),
    )
    return _told(begun, about_rest)


def _refuse(errors: list[FleetError]) -> None:
    if errors:
        raise FleetErrors(errors)


def _none(case: Case) -> Plan:
    have = case.have if case.have.exists else Have("vm", case.wanted.vm)
    return Plan(Wanted(KIND, case.wanted.vm, case.wanted.state), NONE, have, have)


def _ended(case: Case) -> Planned:
    mark, wanted, own = case.mark, case.wanted, case.own_checkpoint
    if mark is None:
        return Planned(case, _none(case))
    drops = [own] if own and not wanted.keep_checkpoint else []
    if wanted.keep_checkpoint and not own:
        message = "none was begun with the export, or it is there no more; nothing can be kept"
        raise FleetError(message, case.resource, "keep_checkpoint")
    if wanted.remove_since and mark.since in case.checkpoints:
        drops.append(mark.since)
    if wanted.remove_since and not case.runs:
        message = f"the VM is {case.state}, and libvirt removes checkpoints only while it runs"
        raise FleetError(f"{message}; start it", case.resource, "remove_since")
    return Planned(case, _none(case), ends=True, drops=tuple(drops))


# ---- what a plan shows


def _told(found: Planned, about_rest: str) -> Planned:
    changes = [*_ending(found), *_beginning(found, about_rest)]
    action = UPDATE if changes else NONE
    return replace(found, plan=replace(found.plan, action=action, changes=tuple(changes)))


def _ending(found: Planned) -> Iterator[Change]:
    case = found.case
    if not found.ends:
        return
    effect = LIVE if case.have.exists and case.runs else STORED
    if found.disks:
        note = "left by a run that was interrupted, or by a VM that stopped meanwhile"
        yield Mended(case.resource, ("export", "before"), "half-made", ABSENT, note=note)
    else:
        was, note = "under way", "whoever reads it reads no more"
        if case.under_way is None:
            was, note = "over", "the VM stopped, or it was ended by others; its files go"
        yield Ended(case.resource, ("export",), was, ABSENT, effect, note=note)
    for name in found.drops:
        note = "as declared" if name != case.own_checkpoint else "it was not said to be kept"
        at = ("checkpoints", name)
        yield Dropped(case.resource, at, "there", ABSENT, effect, note=note)


def _beginning(found: Planned, about_rest: str) -> Iterator[Change]:
    case, wanted = found.case, found.case.wanted
    if not found.disks:
        return
    note = f"until it is ended; what the guest overwrites is kept in {wanted.folder}"
    note = "; ".join(filter(None, (note, about_rest)))
    yield Begun(case.resource, ("export",), None, uri_of(case.would), LIVE, note=note)
    for one in found.disks:
        note = f"the whole disk, and what was written since {wanted.since}" if wanted.since else ""
        mode = "incremental" if wanted.since else "full"
        yield Begun(case.resource, ("disks", one.name), None, mode, LIVE, note=note)
    if wanted.checkpoint:
        note = f"of {', '.join(found.tracked)}; it goes with the export, unless it is kept then"
        at = ("checkpoints", wanted.checkpoint)
        yield Begun(case.resource, at, None, "there", LIVE, note=note)
