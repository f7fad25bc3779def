# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes with a VM, and what stays of it: all of that is in the plan."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ...engine import xmltree
from ...engine.changes import Change, Kept, Lost
from ...engine.mark import is_template
from ...engine.planner import Removal
from . import power, storage
from .seeded import NOTE
from .snapshots import snapshots_of
from .state_files import (
    StateFile,
    others_with,
    saved_memory_of,
    state_files_of,
)
from .states import SAVED

if TYPE_CHECKING:
    from .draft import VmDraft


def note_of(draft: VmDraft) -> str:
    """How a VM goes: what a guest holds in memory is not thrown away unless its storage goes."""
    member = draft.wanted.member
    why = ("pruned",) if draft.wanted.pruned else (f"leaves {member.group}",) if member else ()
    disks = "its volumes go with it" if _with_storage(draft) else "its disks stay"
    steps = () if _memory_goes(draft) else power.notes(draft.steps, draft.have.live)
    return ", ".join((*why, *steps, disks))


def _with_storage(draft: VmDraft) -> bool:
    return bool(draft.wanted.options["remove_storage"])


def _memory_goes(draft: VmDraft) -> bool:
    return draft.is_now == SAVED and _with_storage(draft)


# ---- what goes with it


def _saved_memory(draft: VmDraft) -> Iterator[Change]:
    if _memory_goes(draft):
        memory = saved_memory_of(draft.world.host, draft.have.definition)
        yield Lost(draft.wanted.resource, (memory.field,), memory.path)


def _state_files(draft: VmDraft) -> Iterator[Change]:
    for file in state_files_of(draft.world.host, draft.have.definition):
        there = draft.world.host.exists(file.path)
        if there is not False:
            fate, why = _fate(draft, file)
            unseen = "" if there else "where there is any"
            note = ", ".join(filter(None, (why, unseen)))
            yield fate(draft.wanted.resource, (file.field,), file.path, note=note)


def _fate(draft: VmDraft, file: StateFile) -> tuple[type[Lost] | type[Kept], str]:
    """What becomes of a file with state, and why."""
    have, host = draft.have, draft.world.host
    transient = not have.facts["persistent"]
    if file.field == "tpm_state" and (transient or not host.can_keep_tpm):
        keeps = have.definition.find("devices/tpm/backend[@persistent_state='yes']")
        if keeps is not None:
            return Kept, "by its persistent_state"
        return Lost, "libvirt cannot keep it"
    if not _with_storage(draft):
        return Kept, "removed with remove_storage"
    if transient or not file.removable:
        return Kept, "libvirt cannot remove it"
    others = others_with(draft.wanted.name, file, draft.world)
    return (Kept, f"{', '.join(others)} uses it too") if others else (Lost, "")


def _metadata(draft: VmDraft) -> Iterator[Change]:
    """What libvirt knows of snapshots and checkpoints goes in any case; images stay."""
    host, name = draft.world.host, draft.wanted.name
    snapshots = [one.name for one in snapshots_of(host, name)]
    checkpoints = host.checkpoints(name)
    for field, names in (("snapshots", snapshots), ("checkpoints", checkpoints)):
        if names:
            note = "what libvirt knows of them; what images hold of them is as their disk is"
            yield Lost(draft.wanted.resource, (field,), ", ".join(sorted(names)), note=note)


def _seed(draft: VmDraft) -> Iterator[Change]:
    if xmltree.find(draft.have.definition, NOTE) is not None:
        from .cloud_init import going

        yield from going.goes_with(draft)


# ---- what stays of it


def _disks_that_stay(draft: VmDraft) -> Iterator[Change]:
    if not _with_storage(draft):
        return
    for target, path, why in storage.disks_that_stay(draft.world, draft.have):
        yield Kept(draft.wanted.resource, ("disks", target), path, note=why)


def _used_by(draft: VmDraft) -> None:
    if is_template(draft.have.definition):
        from . import templates

        templates.used_by(draft)


REMOVAL = Removal(
    protected=("protected",),
    used_by=_used_by,
    goes_with=(_saved_memory, _state_files, _seed, _metadata),
    stays=(_disks_that_stay,),
)
