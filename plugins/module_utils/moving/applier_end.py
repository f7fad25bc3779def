# SPDX-License-Identifier: GPL-3.0-or-later
"""The end of a move, once the VM is at the target. Each step may be the last that a run gets to.

The definition at the source is what the next run knows the rest by, so it goes last but one, and
what it has of the VM goes before.
"""

from __future__ import annotations

from typing import Any

from ..engine.errors import FleetError
from ..host.connection import Host, found, libvirt, patiently
from ..kinds.vm.reader import power_state
from ..kinds.vm.states import PAUSED
from . import applier_notes
from .applier_disks import remove_volumes, take_marks_away
from .applier_job import Job
from .fate import DiskFate
from .notes import ARRIVED, Note


def finish(job: Job, note: Note, marked: list[str], old: Host | None) -> None:
    """Carry over what is left to carry, and clear up. `old` is the host that still has the VM."""
    with job.target.errors(job.resource, f"settle the VM at {note.target}"):
        arrived = job.target.conn.lookupByName(job.name)
        applier_notes.write(arrived, note._replace(progress=ARRIVED))
        if arrived.isPersistent():
            arrived.setAutostart(int(note.autostart))
    take_marks_away(job.target, job.resource, marked)
    if old is not None:
        _leave(job, old)
    with job.target.errors(job.resource, f"settle the VM at {note.target}"):
        applier_notes.take_away(arrived)


def _leave(job: Job, old: Host) -> None:
    """Take the VM from the host that it has left, with what the plan says that goes."""
    goes = [fate for fate in job.fates if job.loses(f"disks.{fate.name}") and fate.volume]
    dom = found(old.conn.lookupByName, job.name, libvirt.VIR_ERR_NO_DOMAIN)
    if dom is not None:
        _end(job, old, dom)
    remove_volumes(old, job.resource, [_volume(fate) for fate in goes])
    if dom is not None and dom.isPersistent():
        with old.errors(job.resource, f"undefine it at {job.move.source.name}"):
            patiently(lambda: dom.undefineFlags(_flags(job, old)))


def _volume(fate: DiskFate) -> str:
    return f"{fate.pool}/{fate.volume}"


def _end(job: Job, old: Host, dom: Any) -> None:
    """What libvirt left paused at the source does not know whether the other one has begun."""
    with old.errors(job.resource, f"end what is left of it at {job.move.source.name}"):
        state = power_state(dom)
        if state == PAUSED:
            dom.destroy()
        elif dom.isActive():
            raise FleetError(
                f"is {state} at {job.move.source.name} too; end one of them (virsh destroy) where "
                "its data is not the right one, and run again",
                job.resource,
            )


def _flags(job: Job, old: Host) -> int:
    flags = libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
    if old.driver != "QEMU":
        return int(flags)
    keep, take = libvirt.VIR_DOMAIN_UNDEFINE_KEEP_NVRAM, libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
    flags |= take if job.loses("nvram") else keep
    if job.loses("saved_memory"):
        flags |= libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
    if old.can_keep_tpm:
        keep, take = libvirt.VIR_DOMAIN_UNDEFINE_KEEP_TPM, libvirt.VIR_DOMAIN_UNDEFINE_TPM
        flags |= take if job.loses("tpm_state") else keep
    return int(flags)
