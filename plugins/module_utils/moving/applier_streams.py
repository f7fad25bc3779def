# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies files from host to host through libvirt, so from wherever both are reached. Holes stay."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from ..engine import xmltree
from ..engine.errors import FleetError
from ..engine.plan import CREATE, Have, Plan, Wanted
from ..host.connection import Host, libvirt
from ..host.images import INSIDE_SIZE, inside_of
from ..host.volume_bytes import part_of
from ..kinds.storage_volume.applier import begin, undo
from ..kinds.storage_volume.layouts import put_layout
from ..kinds.storage_volume.reader import refresh_pool
from .applier_job import Job
from .fate import FLATTENED, DiskFate, layout_kept


def copy_disk(job: Job, fate: DiskFate) -> int:
    """Copy the volume of a disk into the one that was made for it. The bytes that went over."""
    pool = job.target.conn.storagePoolLookupByName(fate.pool_there)
    with (
        _whole(job, fate) as volume,
        job.target.errors(
            job.resource, f"copy the disk {fate.name} to {fate.pool_there}/{fate.volume_there}"
        ),
    ):
        into = pool.storageVolLookupByName(fate.volume_there)
        moved = pipe(job.source, volume, job.target, into)
        refresh_pool(pool)  # so that libvirt finds the format
    return moved


@contextmanager
def _whole(job: Job, fate: DiskFate) -> Iterator[Any]:
    """The volume to be sent: the disk's own, or one beside it that stands on nothing."""
    with job.source.errors(job.resource, f"read the disk {fate.name}"):
        pool = job.source.conn.storagePoolLookupByName(fate.pool)
        refresh_pool(pool)
        volume = pool.storageVolLookupByName(fate.volume)
    if fate.how != FLATTENED:
        _check_whole(job, fate, volume)
        yield volume
        return
    plan = _flat_plan(job, fate, pool)
    with job.source.errors(job.resource, f"flatten the disk {fate.name}"):
        own = begin(job.source, plan)
        if own is None:
            raise FleetError(f"there is a volume {plan.wanted.name} in the way", job.resource)
    try:
        yield pool.storageVolLookupByName(f"{fate.volume}.moving")
    finally:
        with suppress(FleetError, libvirt.libvirtError):  # its mark says what it is
            undo(job.source, plan, own)


def _check_whole(job: Job, fate: DiskFate, volume: Any) -> None:
    """A plan does not know of each image that its data is in another file."""
    if fate.format != "qcow2":
        return
    with job.source.errors(job.resource, f"read the header of the disk {fate.name}"):
        inside = inside_of(part_of(job.source, volume, 0, INSIDE_SIZE))
    if inside is not None and inside.data_elsewhere:
        raise FleetError(
            f"{fate.source} has its data in another file, which would not go over; refresh "
            f"the pool {fate.pool} and run again, or move the VM while it runs",
            job.resource,
            fate.about,
        )


def _flat_plan(job: Job, fate: DiskFate, pool: Any) -> Plan:
    """A copy of a volume beside it, under a mark as any that is being made."""
    full = f"{fate.pool}/{fate.volume}.moving"
    tree = xmltree.Element("volume")
    xmltree.put(tree, "name", f"{fate.volume}.moving")
    xmltree.put(tree, "capacity", str(fate.capacity))
    xmltree.put(tree, "allocation", "0")
    xmltree.put(tree, "target/format/@type", fate.format)
    if fate.format == "qcow2":  # libvirt's own choice is that of QEMU before 1.1
        xmltree.put(tree, "target/compat", "1.1")
    layout = layout_kept(job.move, fate)
    if layout is not None:
        put_layout(tree, layout)
    options = {"copy_of": f"{fate.pool}/{fate.volume}"}
    facts = {"pool_type": xmltree.parse(pool.XMLDesc(0)).get("type")}
    wanted = Wanted("storage_volume", full, "present", options=options)
    after = Have("storage_volume", full, tree, facts=facts)
    return Plan(wanted, CREATE, Have("storage_volume", full), after)


def pipe(source: Host, volume: Any, target: Host, into: Any) -> int:
    """Send all of a volume into another one. The bytes that are no holes."""
    down, up = source.conn.newStream(0), target.conn.newStream(0)
    volume.download(down, 0, 0, libvirt.VIR_STORAGE_VOL_DOWNLOAD_SPARSE_STREAM)
    into.upload(up, 0, 0, libvirt.VIR_STORAGE_VOL_UPLOAD_SPARSE_STREAM)
    moved = [0]
    try:
        down.sparseRecvAll(_send, _skip, (up, moved))
        up.finish()
        down.finish()
    except BaseException:
        for stream in (up, down):
            with suppress(libvirt.libvirtError):
                stream.abort()
        raise
    return moved[0]


def _send(_stream: Any, data: bytes, opaque: Any) -> int:
    up, moved = opaque
    left = memoryview(data)
    while left:
        left = left[up.send(bytes(left)) :]
    moved[0] += len(data)
    return len(data)


def _skip(_stream: Any, length: int, opaque: Any) -> None:
    up, _moved = opaque
    up.sendHole(length, 0)
