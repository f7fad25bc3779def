# SPDX-License-Identifier: GPL-3.0-or-later
"""The end of the move of a disk, and of one that was interrupted. Each step may be the last that a
run gets to, and the note by which the next one knows the rest goes last."""

from __future__ import annotations

from typing import Any

from ...engine import xmltree
from ...engine.errors import FleetError
from ...host.connection import Host, libvirt, patiently, wait_until
from ...kinds.storage_volume.applier_changed import disks_on
from ...kinds.storage_volume.reader import look_up_volume
from ...kinds.storage_volume.volumes import mark_of, name_in_pool, pool_of
from ..applier_disks import remove_volumes, take_marks_away
from ..applier_notes import drop_empty
from ..spots import spot_of
from .applier_job import Job
from .note import PLACE, PREFIX, Note, element_of
from .tree import settled

# How long libvirt may take to end a copy that it was told to.
ABORT_TIMEOUT_S = 300.0


def write(dom: Any, note: Note) -> None:
    """Note in what is stored which disk is moved."""
    _set(dom, element_of(note, dom.UUIDString()), libvirt.VIR_DOMAIN_AFFECT_CONFIG)


def take_away(dom: Any) -> None:
    """Take the note from what is stored, and from what runs if it was started with one."""
    _set(dom, None, libvirt.VIR_DOMAIN_AFFECT_CONFIG)
    drop_empty(dom)
    if dom.isActive() and xmltree.find(xmltree.parse(dom.XMLDesc(0)), PLACE) is not None:
        _set(dom, None, libvirt.VIR_DOMAIN_AFFECT_LIVE)


def _set(dom: Any, text: str | None, flags: int) -> None:
    kind = libvirt.VIR_DOMAIN_METADATA_ELEMENT
    patiently(lambda: dom.setMetadata(kind, text, PREFIX, xmltree.DISK_NS, flags))


def end(job: Job, dom: Any, note: Note) -> None:
    """Store the disk where a note says that it is by now, and clear up."""
    with job.host.errors(job.resource, f"store its disk {note.disk} at {note.target}"):
        flags = libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE
        form = job.planned.fate.format if job.planned.fate else job.planned.move.format
        before = dom.XMLDesc(flags)
        tree = settled(xmltree.parse(before), job.planned.move, note, form)
        patiently(lambda: job.host.conn.defineXMLFlags(xmltree.serialise(tree), 0))
        if _runs_elsewhere(job, dom, note):
            patiently(lambda: job.host.conn.defineXMLFlags(before, 0))
            raise was_started(job)
    if note.made:
        take_marks_away(job.host, job.resource, [note.volume])
    if job.planned.loses(note.old):
        remove_volumes(job.host, job.resource, [note.old])
    with job.host.errors(job.resource, "take its note away"):
        take_away(dom)


def _runs_elsewhere(job: Job, dom: Any, note: Note) -> bool:
    """Whether the VM was started just before the disk was stored where it is by now."""
    disk = job.runs(dom)
    return disk is not None and spot_of(job.planned.move.side, disk).named != note.target


def was_started(job: Job) -> FleetError:
    """Somebody started the VM while its disk was copied: what was copied is old then."""
    return FleetError(
        "was started while its disk was copied, and goes on where that was; run again, and it "
        "is copied while the VM runs",
        job.resource,
    )


def clear(job: Job, dom: Any, note: Note) -> None:
    """Give up what an interrupted run began: its copy, and the volume that it had made for it."""
    with job.host.errors(job.resource, f"end the copy to {note.target}"):
        abort(job, dom)
    fate = job.planned.fate
    stays = fate is not None and note.volume == f"{fate.pool_there}/{fate.volume_there}"
    if note.made and not (stays and _is_marked(job.host, note.volume)):
        _remove(job, note)
    if fate is None:
        with job.host.errors(job.resource, "take its note away"):
            take_away(dom)


def abort(job: Job, dom: Any) -> None:
    """End the copy of the disk, which then goes on where it was."""
    if not _copies(job, dom):
        return
    dom.blockJobAbort(job.target, 0)
    if not wait_until(lambda: not _copies(job, dom), ABORT_TIMEOUT_S):
        raise FleetError(
            f"libvirt does not end the copy of the disk within {ABORT_TIMEOUT_S:g} s of being told "
            f"to; see virsh blockjob {dom.name()} {job.target}, and run again",
            job.resource,
        )


def _copies(job: Job, dom: Any) -> bool:
    disk = job.runs(dom)
    return disk is not None and disk.find("mirror") is not None


def _is_marked(host: Host, volume: str) -> bool:
    """Whether who makes it anew will see that it is left."""
    with host.errors("", f"look for the volume {volume}"):
        pool = host.conn.storagePoolLookupByName(pool_of(volume))
        return look_up_volume(pool, mark_of(name_in_pool(volume))) is not None


def _remove(job: Job, note: Note) -> None:
    pool, name = pool_of(note.volume), name_in_pool(note.volume)
    with job.host.errors(job.resource, f"look for the volume {note.volume}"):
        there = look_up_volume(job.host.conn.storagePoolLookupByName(pool), name)
        users = disks_on(job.host, there, running=False) if there is not None else []
    if users:
        vms = ", ".join(domain.name() for domain, _target in users)
        raise FleetError(
            f"an interrupted run left {note.volume} half-made, but {vms} uses it; if it is whole, "
            f"delete the volume {pool}/{mark_of(name)}, if not, take it from the VM",
            job.resource,
        )
    remove_volumes(job.host, job.resource, [note.volume, f"{pool}/{mark_of(name)}"])
