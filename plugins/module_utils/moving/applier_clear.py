# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes away what a move that failed, or a run that was killed, has left beside the volumes."""

from __future__ import annotations

from ..engine import xmltree
from ..host.connection import found, libvirt
from .applier_folders import end_left_pools
from .applier_job import Job
from .notes import note_of
from .unfinished import stands_in


def clear_left(job: Job) -> None:
    """Clear both hosts of what an interrupted run left of this VM."""
    with job.target.errors(job.resource, "clear up what an interrupted run left"):
        clear_target(job)
    for host in (job.source, job.target):
        end_left_pools(job, host)


def clear_target(job: Job) -> None:
    """Undefine what a move has defined at the target, as its note says, and does not run there."""
    lookup = job.target.conn.lookupByUUIDString
    dom = found(lookup, job.uuid, libvirt.VIR_ERR_NO_DOMAIN)
    if dom is None or not dom.isPersistent():
        return
    note = note_of(xmltree.parse(dom.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)))
    if note is None or (dom.isActive() and not stands_in(note)):
        return
    if dom.isActive():
        dom.destroy()
    dom.undefineFlags(_flags(job, with_memory=stands_in(note)))


def _flags(job: Job, with_memory: bool) -> int:
    if job.target.driver != "QEMU":
        return 0
    flags = libvirt.VIR_DOMAIN_UNDEFINE_KEEP_NVRAM
    if job.target.can_keep_tpm:
        flags |= libvirt.VIR_DOMAIN_UNDEFINE_KEEP_TPM
    if with_memory:
        flags |= libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
    return int(flags)
