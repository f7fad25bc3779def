# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the volumes at the target into which disks are copied.

Each stands under its mark for as long as the move is not over, as any volume that is being made:
whoever finds it knows that it is half-made, and the next run of the move makes it anew. It is made
before the data comes because libvirt itself would allocate all of it, could not make one on a
backing image, and would overwrite what has its name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from ..engine.errors import FleetError
from ..engine.plan import Plan
from ..host.connection import Host, found, libvirt
from ..kinds.storage_volume.applier import Fingerprint, begin, check_own, undo
from ..kinds.storage_volume.reader import look_up_volume, refresh_pool
from ..kinds.storage_volume.volumes import mark_of, name_in_pool, pool_of
from .applier_job import Job
from .fate import DiskFate, layout_kept
from .volume_there import plan_of

Begun = list[tuple[Plan, Fingerprint]]


@contextmanager
def volumes_for(
    job: Job, capacities: dict[str, int], empty: bool = False
) -> Iterator[Callable[[], None]]:
    """Volumes for all disks that are copied; what fails in the block leaves none of them behind.

    `empty` are those that get a whole file as it is at the source, and with it their format.
    """
    begun: Begun = []
    try:
        for fate in job.copied:
            pool = job.move.target.pool(fate.pool_there)
            layout = None if empty else layout_kept(job.move, fate)
            capacity = capacities.get(fate.target) or fate.capacity
            plan = plan_of(pool, fate, capacity, empty, layout=layout)
            begun.append((plan, _begun(job, fate, plan)))
        yield lambda: _check_all_own(job, begun)
    except BaseException:
        for plan, own in reversed(begun) if not _is_in_use(job) else ():
            with suppress(FleetError, libvirt.libvirtError):  # the mark stays, for the next run
                undo(job.target, plan, own)
        raise


def _is_in_use(job: Job) -> bool:
    """Whether a QEMU of the VM is at the target after all, and has what was begun open."""
    with suppress(libvirt.libvirtError):
        lookup = job.target.conn.lookupByUUIDString
        dom = found(lookup, job.uuid, libvirt.VIR_ERR_NO_DOMAIN)
        return dom is not None and bool(dom.isActive())
    return False


def _check_all_own(job: Job, begun: Begun) -> None:
    """What was copied first stood still for long, and another run may have taken it for left."""
    for plan, own in begun:
        check_own(job.target, plan, own)


def _begun(job: Job, fate: DiskFate, plan: Plan) -> Fingerprint:
    doing = f"make the volume {fate.pool_there}/{fate.volume_there} for its disk {fate.name}"
    with job.target.errors(job.resource, doing):
        own = begin(job.target, plan)
    if own is None:
        raise FleetError(
            f"cannot be copied: {job.move.target.name} has a volume {fate.pool_there}/"
            f"{fate.volume_there} already; see whose it is, and remove or rename it",
            job.resource,
            f"disks.{fate.name}",
        )
    return own


def take_marks_away(host: Host, resource: str, volumes: list[str]) -> None:
    """Let volumes, POOL/NAME, count as whole."""
    for name in volumes:
        with host.errors(resource, f"take the mark from the volume {name}"):
            pool = host.conn.storagePoolLookupByName(pool_of(name))
            refresh_pool(pool)  # libvirt has not seen what QEMU wrote
            _delete(pool, mark_of(name_in_pool(name)))


def remove_volumes(host: Host, resource: str, volumes: list[str]) -> None:
    """Remove volumes, POOL/NAME; those that are gone are gone."""
    for name in volumes:
        with host.errors(resource, f"remove the volume {name}"):
            _delete(host.conn.storagePoolLookupByName(pool_of(name)), name_in_pool(name))


def _delete(pool: Any, name: str) -> None:
    volume = look_up_volume(pool, name)
    if volume is not None:
        volume.delete(0)
