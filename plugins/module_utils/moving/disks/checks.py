# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands against the move of a disk. Each is a function that says it under its name."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...engine import xmltree
from ...engine.errors import FleetError
from ...engine.units import format_size
from ...kinds.images.uses import uses_of_pools
from ...kinds.storage_volume.volumes import (
    BLOCK_POOLS,
    FILE_POOLS,
    HALF_MADE,
    MAKES_VOLUMES,
    NOT_FOR_VMS,
    backing_of,
    capacity_of,
    described,
)
from ...kinds.vm.opened import disks_of
from ...kinds.vm.states import SAVED
from ...kinds.vm.under_way import backup_under_way
from ..options import KEEP
from ..spots import volume_at
from ..users import OthersThere
from .fate import least, why_flattened
from .found import DiskMove

OF_ONE_IMAGE = ("file", "block", "volume")  # types of disks that have an image of their own
# Volumes that are there before anybody asks for them, as LUNs of an array.
THERE_ALREADY = ("iscsi", "iscsi-direct", "scsi", "mpath")
LIVE_BY_PATH = "libvirt copies a disk that runs only into files and devices of the host"


def against(move: DiskMove) -> list[FleetError]:
    """All that stands against a move; the target is only looked at where the disk can go at all."""
    of_vm = [*_vm(move), *_kind(move), *_records(move), *_jobs(move), *_same_in_both(move)]
    of_pool = [*_pool(move)]
    if of_vm or of_pool:
        return [*of_vm, *of_pool]
    return [*_volume(move), *_format(move), *_room(move), *_users(move), *_readable(move)]


def _error(move: DiskMove, message: str, field: str = "") -> FleetError:
    return FleetError(message, move.resource, field or move.field)


# ---- the VM, and the disk itself


def _vm(move: DiskMove) -> Iterator[FleetError]:
    """What is not stored is lost when it stops; what is saved goes on with the old image."""
    if not move.have.facts.get("persistent", True):
        message = (
            "is transient: nothing is stored of it; store it first (virsh dumpxml "
            f"{move.wanted.vm} --inactive > FILE; virsh define FILE)"
        )
        yield _error(move, message, "vm")
    if move.have.facts.get("state") == SAVED:
        message = (
            "its memory is saved, and goes on with the disk where it was; start it, or give the "
            f"saved memory up (virsh managedsave-remove {move.wanted.vm})"
        )
        yield _error(move, message, "vm")
    if move.note is not None and move.begun is None:
        message = (
            f"a move of its disk {move.note.disk} is under way, or was interrupted; run that again "
            "first"
        )
        yield _error(move, message, "disk")


def _kind(move: DiskMove) -> Iterator[FleetError]:
    disk = move.disk
    kind = disk.get("type", "file")
    if kind not in OF_ONE_IMAGE:
        yield _error(move, f"is of type {kind}, and no image of this host; declare it anew")
    elif not move.here.named:
        yield _error(move, "has no image")
    for tag, why in _NOT_MOVED.items():
        if disk.find(tag) is not None:
            yield _error(move, why)
    if next(disk.iter("encryption"), None) is not None:
        yield _error(
            move, "is encrypted, and QEMU copies what the guest sees of it, not how it is encrypted"
        )


_NOT_MOVED = {
    "shareable": "is shareable, and a copy would be another disk than that of the others",
    "readonly": "is read only, and QEMU copies no such disk; declare it where its image is to be",
    "transient": "is transient: what is written to it goes when the VM stops, and its image stays",
}


def _records(move: DiskMove) -> Iterator[FleetError]:
    """Snapshots and checkpoints are of the images that they were taken of."""
    host, vm = move.side.host, move.wanted.vm
    snapshots = len(host.snapshots(vm))
    if snapshots:
        yield _error(
            move,
            f"libvirt has records of {snapshots} snapshot(s) of the VM, which are of the image "
            "that it has now; merge or delete them first (virsh blockcommit, snapshot-delete)",
        )
    checkpoints = host.checkpoints(vm)
    if checkpoints:
        yield _error(
            move,
            f"the VM has the checkpoints {', '.join(checkpoints)}, whose bitmaps are in the image "
            "that it has now; delete them first (virsh checkpoint-delete), and begin with a full "
            "backup afterwards",
        )


def _jobs(move: DiskMove) -> Iterator[FleetError]:
    host, vm = move.side.host, move.wanted.vm
    if not move.is_live or _is_ours(move):
        return
    job = host.block_job(vm, move.target)
    if job or move.mirror:
        yield _error(
            move,
            f"a {job or 'blockcopy'} of it is under way; wait until it is done, or abort it (virsh "
            f"blockjob {vm} {move.target} --abort)",
        )
    elif under_way := backup_under_way(host, vm):
        yield _error(move, under_way)


def _is_ours(move: DiskMove) -> bool:
    """Whether the job on the disk is the one that an interrupted run noted."""
    return move.begun is not None and bool(move.mirror) and move.mirror == move.begun.target


def _same_in_both(move: DiskMove) -> Iterator[FleetError]:
    """A running VM has the disk, and on the image that is stored."""
    if not move.is_live:
        return
    if move.live is None:
        yield _error(move, "waits for the VM's next start, and QEMU has not got it; restart the VM")
        return
    source = move.stored.find("source")
    kind = move.stored.get("type", "file")
    stored = "" if source is None else move.chains.source(kind, source)
    if move.begun is None and move.layers and not _same(move, stored, move.layers[0].path):
        yield _error(
            move,
            f"runs on {move.layers[0].path} and is stored with {stored or 'nothing'}; declare it "
            "where it runs (kvm.fleet.vm), or restart the VM if it is to go on with what is stored",
        )


def _same(move: DiskMove, one: str, other: str) -> bool:
    return move.chains.place(one) == move.chains.place(other)


# ---- the pool, and the volume there


def _pool(move: DiskMove) -> Iterator[FleetError]:
    wanted, kind = move.wanted, move.pool_type
    if not move.pool.exists:
        yield _error(move, f"there is no storage pool {wanted.pool}; make it first", "pool")
    elif move.pool.live is None:
        message = f"{wanted.pool} is not active; start it first (kvm.fleet.storage_pool)"
        yield _error(move, message, "pool")
    elif kind in NOT_FOR_VMS:
        message = f"{wanted.pool} is {kind}, and libvirt opens no volume of such a pool for a VM"
        yield _error(move, f"{message}; name another pool", "pool")
    elif kind in THERE_ALREADY:
        yield from _given(move)
    elif kind not in MAKES_VOLUMES:
        yield _error(move, f"in {wanted.pool} no volume can be made ({kind})", "pool")
    elif kind == "disk" and not wanted.volume:
        message = f"the volumes of {wanted.pool} are partitions, whose next name is to be declared"
        yield _error(move, message, "volume")
    elif kind == "disk" and not move.is_live:
        message = "a partition can only be made empty, and is filled by QEMU; start the VM first"
        yield _error(move, message, "pool")
    if move.is_live and move.pool.live is not None and kind == "iscsi-direct":
        yield _error(
            move, f"{LIVE_BY_PATH}, and {wanted.pool} is {kind}; stop the VM first", "pool"
        )


def _given(move: DiskMove) -> Iterator[FleetError]:
    """A LUN is not made, it is there, with whatever is on it."""
    wanted = move.wanted
    if not wanted.volume:
        message = (
            f"volumes of {wanted.pool} are not made, they are there ({move.pool_type}); name the "
            "one that is meant"
        )
        yield _error(move, message, "volume")
    elif not wanted.overwrite:
        message = (
            f"{move.volume_there} is there, and what is on it would be lost; say overwrite: true "
            "where that may go"
        )
        yield _error(move, message, "overwrite")
    elif not move.is_live:
        message = f"QEMU writes to a volume of {wanted.pool} only while the VM runs; start the VM"
        yield _error(move, message, "pool")


def is_given(move: DiskMove) -> bool:
    """Whether the volume is one that is there before."""
    return move.pool_type in THERE_ALREADY


def _volume(move: DiskMove) -> Iterator[FleetError]:
    there = move.side.volume(move.wanted.pool, move.name_there)
    if is_given(move):
        yield from _large_enough(move)
        return
    if not there.exists or (move.begun is not None and move.begun.volume == move.volume_there):
        return
    if move.is_at(move.there.path):
        message = f"{move.volume_there} is where it is now; name another volume"
    else:
        message = (
            f"{move.wanted.pool} has a {move.name_there} already ({described(there)}); name "
            "another volume, or see whose it is and remove it"
        )
    yield _error(move, message, "volume")


def _large_enough(move: DiskMove) -> Iterator[FleetError]:
    there = move.side.volume(move.wanted.pool, move.name_there)
    if not there.exists:
        yield _error(move, f"{move.wanted.pool} has no {move.name_there}", "volume")
    elif capacity_of(there) < move.capacity:
        has, needs = format_size(capacity_of(there)), format_size(move.capacity)
        yield _error(move, f"{move.volume_there} has {has}, and the disk {needs}", "volume")


def _format(move: DiskMove) -> Iterator[FleetError]:
    """What only qcow2 in a file can have."""
    if move.format_there != "raw" and move.pool_type not in FILE_POOLS:
        yield _error(move, f"{move.wanted.pool} has raw volumes only", "format")
    if move.wanted.backing == KEEP and len(move.layers) > 1:
        why = why_flattened(move)
        if why:
            message = f"it stands on {move.layers[1].path}, and {why}; say flatten, or auto"
            yield _error(move, message, "backing")
    inside = move.inside.snapshots if move.inside else 0
    if inside and move.format_there == "raw":
        yield _error(
            move,
            f"there are {inside} snapshots inside of its image (qemu-img snapshot -l), which a raw "
            "volume cannot have; delete them, or keep qcow2",
            "format",
        )


def _room(move: DiskMove) -> Iterator[FleetError]:
    if is_given(move) or (move.begun is not None and move.begun.volume == move.volume_there):
        return  # what is there of it by now counts as taken
    free = None if move.pool.live is None else xmltree.get(move.pool.live, "available")
    whole = move.pool_type in BLOCK_POOLS
    needs = move.capacity if whole else least(move)
    if free is not None and needs > int(free):
        yield _error(
            move,
            f"{move.wanted.pool} has {format_size(int(free))} free, and the copy takes at least "
            f"{format_size(needs)}; make room there, or name another pool",
            "pool",
        )


# ---- others


def _users(move: DiskMove) -> Iterator[FleetError]:
    """Others would go on with the old image, of which the VM's is no part any more."""
    users = OthersThere(move.side.world, move.have)
    others = users.of(move.layers[0].path if move.layers else "")
    if others:
        message = (
            f"{others}, and would go on with {move.here.named} when this disk has left; take it "
            "from there first"
        )
        yield _error(move, message)
    if is_given(move):
        own = _own_on(move, move.there.path)
        pools = uses_of_pools(move.side.pools().values())
        on_it = [f"{use.named} is made of it" for use in pools if _is_part(move, use.path)]
        given = " and ".join(filter(None, (users.of(move.there.path), *own, *on_it)))
        if given:
            yield _error(move, f"{given}; name another volume", "volume")


def _own_on(move: DiskMove, path: str) -> Iterator[str]:
    """The other disks of the VM itself that are on a device, as what runs and what is stored."""
    place, found = move.chains.place(path), set[str]()
    trees = (move.have.stored, move.have.live)
    for tree in trees:
        for name, disk in disks_of(tree) if tree is not None else ():
            target = xmltree.get(disk, "target/@dev") or ""
            at = any(move.chains.place(layer.path) == place for layer in move.chains.of(disk))
            if at and target != move.target:
                found.add(name)
    yield from (f"{name} of this VM is on it" for name in sorted(found))


def _is_part(move: DiskMove, path: str) -> bool:
    """Whether a device is the one that the disk is to go to, or a partition of that."""
    whole, other = move.chains.place(move.there.path), move.chains.place(path)
    return bool(whole) and re.fullmatch(rf"{re.escape(whole)}(-part\d+|p?\d+)?", other) is not None


def _readable(move: DiskMove) -> Iterator[FleetError]:
    """Off, libvirt copies from one volume to another: QEMU, which could read any, does not run."""
    if move.is_live:
        return
    here = move.here
    if not here.pool:
        yield _error(
            move,
            f"{here.named} is in no storage pool, through which it is read while the VM is off; "
            "make a pool of its folder, or start the VM",
        )
        return
    if move.side.pool(here.pool).live is None:
        yield _error(move, f"its pool {here.pool} is not active; start that first")
        return
    volume = volume_at(move.side, here)
    if volume is None or not volume.exists or volume.facts.get(HALF_MADE):
        yield _error(move, f"its image {here.named} is not there")
    elif backing_of(volume) and len(move.layers) < 2:
        yield _error(move, f"it stands on {backing_of(volume)}, which cannot be looked at")
