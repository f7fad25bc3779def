# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies the disk of a VM that runs, and lets the VM go on with the copy: libvirt's block copy.

QEMU writes to both from the moment on at which the copy is as the disk is. Until it has changed
over nothing is lost by giving up, and after that nothing leads back.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from ...engine import xmltree
from ...engine.errors import FleetError
from ...engine.plan import Plan
from ...engine.units import format_size
from ...host.connection import libvirt, said, wait_until
from ...kinds.storage_volume.applier import Fingerprint, begin, check_own, mark_there, undo
from ..fate import LAYER
from .applier_end import abort, take_away, write
from .applier_job import Job
from .tree import put_disk
from .watching import Seen, Watch, limits, told

LOOK_EVERY_S = 0.3
# How long the change over may take, and how often it is asked for where libvirt says: not yet.
PIVOT_TIMEOUT_S = 60.0


def copy_live(job: Job, dom: Any) -> int:
    """Copy the disk, and have the VM go on with the copy. How many bytes were copied."""
    with job.host.errors(job.resource, f"copy its disk {job.disk}"):
        write(dom, job.note)
        with _volume(job, dom) as (plan, own):
            _start(job, dom)
            seen = _wait(job, dom)
            if plan is not None:
                check_own(job.host, plan, own)
            _pivot(job, dom)
    return seen.done


@contextmanager
def _volume(job: Job, dom: Any) -> Iterator[tuple[Plan | None, Fingerprint]]:
    """The volume there. What fails in the block leaves the VM on its old disk, and nothing else."""
    plan = job.volume() if job.makes else None
    own: Fingerprint | None = ()
    try:
        if plan is not None:
            own = mark_there(job.host, plan) if job.planned.joins else begin(job.host, plan)
        if own is None:
            raise FleetError(
                f"{job.note.volume} is there by now; see whose it is, and remove it or name "
                "another volume",
                job.resource,
                "volume",
            )
        yield plan, own
    except BaseException:
        with suppress(FleetError, libvirt.libvirtError):  # what is left the next run clears
            _go_back(job, dom, plan, own)
        raise


def _go_back(job: Job, dom: Any, plan: Plan | None, own: Fingerprint | None) -> None:
    if not job.host.is_alive() or _is_there(job, dom):
        return
    abort(job, dom)
    if plan is not None and own is not None:
        undo(job.host, plan, own)
    take_away(dom)


# ---- the copy


def _start(job: Job, dom: Any) -> None:
    bandwidth = job.planned.move.wanted.bandwidth
    if job.planned.joins:
        dom.blockJobSetSpeed(
            job.target, bandwidth, libvirt.VIR_DOMAIN_BLOCK_JOB_SPEED_BANDWIDTH_BYTES
        )
        return
    # The definition stays stored meanwhile, which libvirt takes only from who does not count on the
    # copy to go on in another QEMU.
    flags = libvirt.VIR_DOMAIN_BLOCK_COPY_REUSE_EXT | libvirt.VIR_DOMAIN_BLOCK_COPY_TRANSIENT_JOB
    if job.fate.how == LAYER:
        flags |= libvirt.VIR_DOMAIN_BLOCK_COPY_SHALLOW
    params = {libvirt.VIR_DOMAIN_BLOCK_COPY_BANDWIDTH: bandwidth} if bandwidth else {}
    dom.blockCopy(job.target, _destination(job), params, flags)


def _destination(job: Job) -> str:
    """The new volume as a disk, by its path: libvirt looks up no pool for it."""
    path = job.fate.there
    disk = xmltree.Element("disk")
    put_disk(disk, {"device" if path.startswith("/dev/") else "file": path}, job.fate.format)
    return xmltree.serialise(disk)


def _wait(job: Job, dom: Any) -> Seen:
    """Until the copy is as the disk is."""
    began = time.monotonic()
    watch = Watch(limits(job.planned.move.wanted, job.fate.allocation), began)
    while True:
        disk = job.runs(dom)
        mirror = None if disk is None else disk.find("mirror")
        if mirror is None:
            raise _failed(job, dom)
        info = dom.blockJobInfo(job.target, 0)
        seen = Seen(int(info.get("cur", 0)), int(info.get("end", 0)))
        now = time.monotonic()
        told(job.progress, now - began, seen)
        if mirror.get("ready") == "yes":
            return seen
        why = watch.see(now, seen)
        if why:
            raise FleetError(f"was not moved, and goes on where it was: {why}", job.resource)
        time.sleep(LOOK_EVERY_S)


def _failed(job: Job, dom: Any) -> FleetError:
    """libvirt does not tell why a copy ended, so what is seen of the reason is told."""
    if not dom.isActive():
        message = "the VM stopped meanwhile; run again, and its disk is copied while it is off"
        return FleetError(f"was not moved: {message}", job.resource)
    free = ""
    with suppress(libvirt.libvirtError):
        pool = job.host.conn.storagePoolLookupByName(job.fate.pool_there)
        pool.refresh(0)
        free = f" ({job.fate.pool_there} has {format_size(pool.info()[3])} free now)"
    return FleetError(
        "was not moved, and goes on where it was: QEMU could not write the copy, as where its pool "
        f"is full{free}; the log of the VM's QEMU may say more",
        job.resource,
    )


# ---- the change over


def _pivot(job: Job, dom: Any) -> None:
    deadline = time.monotonic() + PIVOT_TIMEOUT_S
    while True:
        try:
            dom.blockJobAbort(job.target, libvirt.VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT)
        except libvirt.libvirtError as error:
            if not job.host.is_alive() or time.monotonic() > deadline:
                raise
            if _is_there(job, dom):  # another run was faster, or libvirt told an error at its end
                return
            if error.get_error_code() != libvirt.VIR_ERR_BLOCK_COPY_ACTIVE:
                raise FleetError(
                    f"was not moved, and goes on where it was: {said(error)}", job.resource
                ) from error
            time.sleep(LOOK_EVERY_S)
        else:
            break
    if not wait_until(lambda: _is_there(job, dom), PIVOT_TIMEOUT_S):
        raise FleetError(
            f"is not at {job.fate.there}, though libvirt did not refuse to change over; run again",
            job.resource,
        )


def _is_there(job: Job, dom: Any) -> bool:
    """Whether the VM writes to the new volume alone."""
    disk = job.runs(dom)
    source = None if disk is None or disk.find("mirror") is not None else disk.find("source")
    return source is not None and (source.get("file") or source.get("dev")) == job.fate.there
