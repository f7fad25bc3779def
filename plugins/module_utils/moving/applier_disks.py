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

from ..engine import xmltree
from ..engine.errors import FleetError
from ..engine.plan import CREATE, Have, Plan, Wanted
from ..host.connection import Host, found, libvirt
from ..kinds.storage_volume.applier import Fingerprint, begin, check_own, undo
from ..kinds.storage_volume.reader import look_up_volume, refresh_pool
from ..kinds.storage_volume.volumes import FILE_POOLS, mark_of, name_in_pool, pool_of
from .applier_job import Job
from .fate import DiskFate

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
            plan = _plan_of(job, fate, capacities.get(fate.target) or fate.capacity, empty)
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


def _plan_of(job: Job, fate: DiskFate, capacity: int, empty: bool) -> Plan:
    """As it is planned for a volume that is declared."""
    full = f"{fate.pool_there}/{fate.volume_there}"
    pool = job.move.target.pool(fate.pool_there)
    pool_type = pool.definition.get("type", "dir")
    tree = xmltree.Element("volume")
    for path, value in _definition(fate, capacity, empty and pool_type in FILE_POOLS):
        xmltree.put(tree, path, value)
    wanted = Wanted("storage_volume", full, "present", options={"moved": True})
    after = Have("storage_volume", full, tree, facts={"pool_type": pool_type})
    return Plan(wanted, CREATE, Have("storage_volume", full), after)


def _definition(fate: DiskFate, capacity: int, empty: bool) -> Iterator[tuple[str, str]]:
    yield "name", fate.volume_there
    yield "capacity", "0" if empty else str(capacity)
    yield "allocation", "0"
    if empty:
        yield "target/format/@type", "raw"
        return
    yield "target/format/@type", fate.format or "raw"
    if fate.format == "qcow2":
        yield "target/compat", "1.1"
    if fate.backing:
        yield "backingStore/path", fate.backing
        yield "backingStore/format/@type", fate.backing_format or "raw"


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
