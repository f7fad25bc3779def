# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies the disk of a VM that is off: libvirt fills one volume from the other (qemu-img).

libvirt has no call that would end it. A run that is killed leaves it going, and the next one waits
until what is left stands still before it makes the volume anew.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from ...engine.errors import FleetError
from ...host.connection import libvirt
from ...kinds.storage_volume.applier import begin, check_own, undo
from .applier_end import take_away, was_started, write
from .applier_job import Job


def copy_offline(job: Job, dom: Any) -> int:
    """Copy the disk into its new volume. How many bytes that takes."""
    fate = job.fate
    plan = job.volume(copy_of=f"{fate.pool}/{fate.volume}")
    own = None
    with job.host.errors(job.resource, f"copy its disk {job.disk}"):
        write(dom, job.note)
        try:
            own = begin(job.host, plan)
            if own is None:
                raise FleetError(
                    f"{job.note.volume} is there by now; see whose it is, and remove it or name "
                    "another volume",
                    job.resource,
                    "volume",
                )
            _check_off(job, dom)
            check_own(job.host, plan, own)
        except BaseException:
            with suppress(FleetError, libvirt.libvirtError):  # what is left the next run clears
                if own is not None:
                    undo(job.host, plan, own)
                take_away(dom)
            raise
        pool = job.host.conn.storagePoolLookupByName(fate.pool_there)
        return int(pool.storageVolLookupByName(fate.volume_there).info()[2])


def _check_off(job: Job, dom: Any) -> None:
    if dom.isActive():
        raise was_started(job)
