# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan for a VM that is to be as in a backup: what comes, and what is lost for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ...engine import xmltree
from ...engine.changes import STORED, Change, Kept, Lost
from ...engine.errors import FleetError, FleetErrors
from ...engine.hidden import Sensitive
from ...engine.plan import NONE, UPDATE, Have, Plan, Wanted
from ..storage_volume import layouts
from ..vm.definition import BARRED, domain_values
from ..vm.state_files import NAMES, StateFile, saved_memory_of, state_files_of
from ..vm.states import RUNNING, SAVED, STOPPED
from ..vm_backup.changes import BackedUp
from ..vm_backup.manifest import Backup, File, when
from .case import Case
from .checks import (
    against_backup,
    against_disks,
    against_folder,
    against_notes,
    against_pool,
    against_room,
    against_vm,
)
from .declared import KIND


class Restored(BackedUp):
    """What is as in a backup."""

    never_back = "what was there before is kept by nobody"


@dataclass(frozen=True)
class Planned:
    """A VM that is to be as in a backup, and all that is done about that."""

    case: Case
    plan: Plan
    files: tuple[StateFile, ...] = ()  # beside its disks, with where they go
    restores: bool = False
    starts: bool = False

    def of_backup(self, file: StateFile) -> tuple[File, ...]:
        """What the backup has of such a file, or folder."""
        return tuple(one for one in self.case.backup.files if one.what == file.field)


def planned(case: Case) -> Planned:
    """The plan. FleetErrors name everything that stands against it."""
    _refuse([*against_folder(case)])
    _refuse([*against_backup(case)])
    _refuse([*against_pool(case)])
    if case.is_done:
        return _told(Planned(case, _none(case), starts=_starts(case)))
    _refuse([*against_notes(case), *against_vm(case), *against_disks(case), *against_room(case)])
    whats = {one.what for one in case.backup.files}
    files = [f for f in state_files_of(case.world.host, case.definition) if f.field in whats]
    return _told(Planned(case, _none(case), tuple(files), True, case.wanted.state == RUNNING))


def _refuse(errors: list[FleetError]) -> None:
    if errors:
        raise FleetErrors(errors)


def _none(case: Case) -> Plan:
    have = case.have if case.have.exists else Have("vm", case.wanted.target)
    return Plan(Wanted(KIND, case.wanted.target, case.wanted.state), NONE, have, have)


def _starts(case: Case) -> bool:
    """Whether one that was restored before is to run. What runs by now is left running."""
    return case.wanted.state == RUNNING and case.have.facts.get("state") in (STOPPED, SAVED)


def _told(found: Planned) -> Planned:
    changes = [*(_back(found) if found.restores else ()), *_state(found)]
    plan = found.plan
    after = Have("vm", plan.have.name, found.case.definition, None, plan.have.facts)
    made = Plan(
        plan.wanted,
        UPDATE if changes else NONE,
        plan.have,
        after if found.restores else plan.have,
        tuple(changes),
        (),
        tuple(_warnings(found.case)) if found.restores else (),
    )
    return Planned(found.case, made, found.files, found.restores, found.starts)


def _back(found: Planned) -> Iterator[Change]:
    case, backup = found.case, found.case.backup
    stands = f"; it stands on {backup.parent}" if backup.parent else ""
    note = f"of {when(backup.made)}; its checksums are compared before anything is touched{stands}"
    yield Restored(case.resource, ("backup",), None, backup.id, STORED, note=note)
    yield from _definition(case)
    yield from _disks(case, backup)
    for file in found.files:
        there = file.path if case.world.host.exists(file.path) else None
        note = "as in the backup; what is there is lost" if there else "as in the backup"
        yield Restored(case.resource, ("files", file.field), there, file.path, STORED, note=note)
    if case.have.exists:
        yield from _goes(case)


def _disks(case: Case, backup: Backup) -> Iterator[Change]:
    for disk in case.disks:
        at = ("disks", disk.copy.name)
        if case.world.host.exists(disk.path) and not case.is_ours(disk.path):
            note = "what is in it is lost, once the restored disks are whole"
            yield Lost(case.resource, ("images", disk.path), disk.path, note=note)
        layout = layouts.told(disk.layout)
        like = f"; laid out as it was: {layout}" if layout else ""
        note = f"{disk.format}, as in {backup.id}, standing on nothing{like}"
        yield Restored(case.resource, at, None, disk.path, STORED, note=note)
    for target in case.left_out:
        note = "it is in no backup, and stays as it is"
        if case.is_another:
            note = "it is not in the backup, and that of the other VM is that one's own"
            yield Restored(case.resource, ("disks", target), "there", "absent", STORED, note=note)
        else:
            yield Kept(case.resource, ("disks", target), "there", note=note)


def _definition(case: Case) -> Iterator[Change]:
    """A VM that comes, or the options of one that is there which become others."""
    if not case.have.exists:
        own = f"that of {case.wanted.vm}, with a UUID and MAC addresses of its own"
        note = own if case.is_another else "as it was then"
        yield Restored(case.resource, ("definition",), None, case.wanted.target, STORED, note=note)
        if case.autostart:
            yield Restored(case.resource, ("autostart",), None, True, STORED, note="as it did")
    if case.is_another:
        yield from _addresses(case)
    if not case.have.exists:
        return
    was, will = domain_values(case.have.definition), domain_values(case.definition)
    for key in sorted({*was, *will}):
        one, other = was.get(key), will.get(key)
        hidden = isinstance(one, Sensitive) or isinstance(other, Sensitive)
        if one != other and not hidden and not _is_of_disk(key):
            yield Restored(case.resource, ("definition", *key), one, other, STORED)


def _addresses(case: Case) -> Iterator[Change]:
    before, after = (
        [xmltree.get(nic, "mac/@address") for nic in xmltree.find_all(tree, "devices/interface")]
        for tree in (case.was, case.definition)
    )
    for one, other in zip(before, after):
        yield Restored(case.resource, ("macs", one or ""), one, other, STORED)


def _is_of_disk(key: tuple[str, ...]) -> bool:
    """What a disk stands on is told of the disk."""
    return key[0] in ("disks", "cdroms") and key[-1] in ("source", "format")


def _goes(case: Case) -> Iterator[Change]:
    """What libvirt knows of the VM that is replaced, and what is left of it."""
    for field, names in (("snapshots", case.snapshots), ("checkpoints", case.checkpoints)):
        if names:
            yield Lost(case.resource, (field,), ", ".join(sorted(names)), note="of the old disks")
    if case.have.facts.get("state") == SAVED:
        memory = saved_memory_of(case.world.host, case.have.definition)
        yield Lost(case.resource, (memory.field,), memory.path, note=NAMES[memory.field])
    yield from _leaves(case)


def _leaves(case: Case) -> Iterator[Change]:
    """The images that the VM has left, now or in an earlier run."""
    written = {case.chains.place(one.path) for one in case.disks}
    told = set()
    for disk in xmltree.find_all(case.have.definition, "devices/disk"):
        target = xmltree.get(disk, "target/@dev") or ""
        path = next((one.path for one in case.chains.told(disk)[0]), "")
        left = path and not path.endswith(BARRED) and case.chains.place(path) not in written
        if left and case.backup.disk(target):
            told.add(path)
            note = "the VM has left it"
            if written & {case.chains.place(one.path) for one in case.chains.of(disk)}:
                note += "; what it stands on is lost, and it is of no use without"
            yield Kept(case.resource, ("images", path), path, note=note)
    for path in case.left:
        if path not in told:
            note = "the VM has left it; what it stood on is lost, and it is of no use without"
            yield Kept(case.resource, ("images", path), path, note=note)


def _state(found: Planned) -> Iterator[Change]:
    if found.starts:
        case = found.case
        now = None if found.restores else case.have.facts.get("state")
        yield Restored(case.resource, ("state",), now, RUNNING, STORED, note="started at the end")


def _warnings(case: Case) -> Iterator[str]:
    if case.journal.files and not case.journal.done:
        yield (
            f"a run that was to restore {case.journal.backup} was interrupted; it is done from its "
            "beginning"
        )
    if not case.is_another:
        return
    if xmltree.find_all(case.definition, "devices/hostdev"):
        yield "it has devices of the host, which the other VM may have too"
