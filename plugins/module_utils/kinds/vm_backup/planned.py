# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan for the backups of a VM: what is copied and how, what goes, what is cleared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ...engine.changes import LIVE, STORED, Change, Mended
from ...engine.errors import FleetError, FleetErrors
from ...engine.keys import ABSENT
from ...engine.plan import NONE, UPDATE, Have, Plan, Wanted
from ..vm.state_files import StateFile, state_files_of
from ..vm.states import RUNNING, SAVED
from .case import Case
from .changes import BackedUp, Expired, Superseded
from .checks import (
    against_absent,
    against_disks,
    against_folder,
    against_name,
    against_room,
    against_vm,
)
from .declared import KIND
from .disks import chosen
from .due import why_not_due
from .facts import Leftover
from .fate import DiskFate, base_of, fates
from .manifest import FULL, INCREMENTAL, PARTIAL, Backup
from .resting import quiesces_in
from .retention import Going, going

NEW = "new"  # how a plan calls the backup that nobody named


@dataclass(frozen=True)
class Planned:
    """All that is done about the backups of a VM."""

    case: Case
    plan: Plan
    fates: tuple[DiskFate, ...] = ()  # of the disks that are copied; none where none is made
    files: tuple[StateFile, ...] = ()
    quiesces: bool = False
    tracked: tuple[str, ...] = ()  # targets of the disks that the new checkpoint has
    checkpoints: tuple[str, ...] = ()  # that go once the new backup is whole
    clears: tuple[Leftover, ...] = ()
    going: tuple[Going, ...] = ()
    there: str = ""  # the backup that is as declared already

    @property
    def makes(self) -> bool:
        """Whether a backup is made."""
        return bool(self.fates)

    @property
    def parent(self) -> str:
        """The backup that the new one stands on."""
        return next((one.parent for one in self.fates if one.parent), "")

    @property
    def mode(self) -> str:
        """Whether any of its disks stands on another backup."""
        return INCREMENTAL if self.parent else FULL


def planned(case: Case) -> Planned:
    """The plan. FleetErrors name everything that stands against it."""
    _refuse([*against_folder(case), *against_name(case)])
    if case.wanted.state == str(ABSENT):
        return _absent(case)
    if not case.have.exists:
        raise FleetError(f"there is no VM {case.wanted.vm}", case.resource, "vm")
    there, why = why_not_due(case)
    if why:
        return _with_plan(Planned(case, _none(case), there=there), [why])
    _refuse([*against_vm(case)])
    disks, errors = chosen(case.disks, case.wanted)
    _refuse(errors)
    found = fates(case, disks)
    base = base_of(case)
    upon = next((one.parent for one in found if one.parent), "")
    checkpoint = base.checkpoint if base is not None and upon else ""
    quiesces, about_rest, error = quiesces_in(case, case.wanted.quiesce)
    _refuse([*error, *against_disks(case, found), *against_room(case, found, checkpoint)])
    tracked = [one.disk.target for one in found if one.disk.format == "qcow2"]
    begun = Planned(
        case,
        _none(case),
        tuple(found),
        tuple(_state_files(case)),
        quiesces,
        tuple(tracked) if case.runs and case.wanted.checkpoint else (),
    )
    return _with_plan(begun, [about_rest])


def _refuse(errors: list[FleetError]) -> None:
    if errors:
        raise FleetErrors(errors)


def _none(case: Case) -> Plan:
    have = case.have if case.have.exists else Have("vm", case.wanted.vm)
    return Plan(Wanted(KIND, case.resource.partition("/")[2], case.wanted.state), NONE, have, have)


def _with_plan(begun: Planned, notes: list[str]) -> Planned:
    """The same with all that is done beside the copies, and all of it as changes."""
    case = begun.case
    gone = going(case, begun.parent, begun.makes)
    clears = tuple(one for one in case.kept.leftovers if not one.others)
    whole = Planned(
        case,
        begun.plan,
        begun.fates,
        begun.files,
        begun.quiesces,
        begun.tracked,
        tuple(_superseded(begun, [one.backup for one in gone])),
        clears,
        tuple(gone),
        begun.there,
    )
    return _told(whole, notes)


def _told(found: Planned, notes: list[str]) -> Planned:
    changes = [*_cleared(found), *_made(found, notes), *_beside(found), *_gone(found)]
    warnings = tuple(_warnings(found))
    action = UPDATE if changes else NONE
    plan = Plan(
        found.plan.wanted, action, found.plan.have, found.plan.after, tuple(changes), (), warnings
    )
    values = {name: getattr(found, name) for name in found.__dataclass_fields__}
    return Planned(**{**values, "plan": plan})


def _superseded(begun: Planned, gone: list[Backup]) -> Iterator[str]:
    """Checkpoints of ours of which nothing will be built any more."""
    case = begun.case
    old = case.own if begun.tracked else gone
    for one in old:
        if case.runs and one.checkpoint and one.checkpoint in case.checkpoints:
            yield one.checkpoint


# ---- one that is to go


def _absent(case: Case) -> Planned:
    there = next((one for one in case.kept.backups if one.id == case.wanted.name), None)
    clears = tuple(
        one for one in case.kept.leftovers if one.id == case.wanted.name and not one.others
    )
    _refuse([*against_absent(case)])
    found = Planned(case, _none(case), clears=clears)
    if there is not None:
        its = there.checkpoint and case.have.exists and there.checkpoint in case.checkpoints
        found = Planned(
            case,
            _none(case),
            checkpoints=(there.checkpoint,) if its else (),
            clears=clears,
            going=(Going(there, "as declared"),),
        )
    return _told(found, [])


# ---- what a plan shows


def _cleared(found: Planned) -> Iterator[Change]:
    case = found.case
    for one in found.clears:
        note = "left by a run that was interrupted"
        if case.have.exists and case.runs:  # it may come to its end while the plan is looked at
            note += "; where libvirt still fills it, that is ended"
        field = ("backups", f"{one.id}{PARTIAL}")
        yield Mended(case.resource, field, "half-made", ABSENT, note=note)
        if one.checkpoint and case.have.exists and one.checkpoint in case.checkpoints:
            note = "its backup did not become whole"
            at = ("checkpoints", one.checkpoint)
            yield Mended(case.resource, at, "there", ABSENT, note=note)


def _made(found: Planned, notes: list[str]) -> Iterator[Change]:
    case = found.case
    if not found.makes:
        return
    effect = LIVE if case.runs else STORED
    note = "; ".join(filter(None, (_how(found), *notes)))
    at = ("backups", case.wanted.name or NEW)
    yield BackedUp(case.resource, at, None, found.mode, effect, note=note)
    for one in found.fates:
        at = ("disks", one.disk.name)
        yield BackedUp(case.resource, at, None, one.mode, effect, note=one.why)


def _how(found: Planned) -> str:
    case = found.case
    if case.runs:
        state = "it runs" if case.state == RUNNING else f"it is {case.state}"
        upon = f"; stands on {found.parent}" if found.parent else ""
        return f"live, {state}: QEMU copies its disks as of one moment{upon}"
    return f"off, it is {case.state}: its images are copied (qemu-img)"


def _beside(found: Planned) -> Iterator[Change]:
    case = found.case
    effect = LIVE if case.runs else STORED
    for file in found.files if found.makes else ():
        note = "as it is then; what is in it is not at rest" if case.runs else ""
        yield BackedUp(case.resource, ("files", file.field), None, file.path, effect, note=note)
    if found.makes and found.tracked:
        note = f"of {', '.join(found.tracked)}; the next backup can be incremental"
        yield BackedUp(case.resource, ("checkpoint",), None, NEW, LIVE, note=note)
    for name in found.checkpoints:
        note = "the new one takes its place" if found.tracked else "its backup goes"
        yield Superseded(case.resource, ("checkpoints", name), "there", ABSENT, LIVE, note=note)


def _gone(found: Planned) -> Iterator[Change]:
    for one in found.going:
        backup = one.backup
        note = one.why
        yield Expired(found.case.resource, ("backups", backup.id), backup.mode, note=note)


def _warnings(found: Planned) -> Iterator[str]:
    case = found.case
    for name, why in sorted(case.kept.broken.items()):
        yield f"{case.wanted.folder}/{name} is left alone: {why}"
    for one in case.kept.leftovers:
        if one.others:
            yield f"{one.id}{PARTIAL} is left alone: it has files of others in it ({one.others[0]})"
    strange = [one.id for one in case.kept.backups if case.have.exists and one.uuid != case.uuid]
    if strange:
        yield f"of an earlier VM of this name, and left alone: {', '.join(strange)}"
    if found.makes and case.state == SAVED:
        yield "its memory is saved, and is not in it: the disks are as after a power failure"


# ---- what is beside the disks


def _state_files(case: Case) -> Iterator[StateFile]:
    host = case.world.host
    for file in state_files_of(host, case.domain):
        if file.path.startswith("/") and host.exists(file.path):
            yield file
