# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands against restoring a VM. Each is a function that says it under its name."""

from __future__ import annotations

from collections.abc import Iterator

from ...engine import xmltree
from ...engine.errors import FleetError
from ...engine.secret_words import shown_name
from ..images.one_writer import Images
from ..images.uses import STANDS, Use
from ..storage_pool.used import holds
from ..storage_volume.volumes import FILE_POOLS, type_of
from ..vm.states import PAUSED, RUNNING
from ..vm_backup.checks import QEMU_IMG, about
from ..vm_backup.manifest import why_not_whole
from .case import Case, DiskBack

MOUNTED = ("fs", "netfs")


def _error(case: Case, message: str, field: str = "") -> FleetError:
    return FleetError(message, case.resource, field)


def against_folder(case: Case) -> Iterator[FleetError]:
    """The backups are of this machine, and nobody is at work on them."""
    wanted, kept, host = case.wanted, case.kept, case.world.host
    if not host.is_local or host.driver != "QEMU":
        message = (
            f"files are written by this module, and {shown_name(host.uri)} is another "
            "machine; run it there"
        )
        yield _error(case, message, "uri")
    elif kept.file:
        yield _error(case, f"{kept.file} is no folder; name another directory", "directory")
    elif not kept.exists:
        message = f"there is no folder {wanted.directory}; mount it first, or name another"
        yield _error(case, message, "directory")
    elif kept.holder:
        message = f"{kept.holder} is at work in {wanted.folder}; wait until it has ended"
        yield _error(case, message, "directory")


def against_notes(case: Case) -> Iterator[FleetError]:
    """A run notes beside the backups what it has begun, by which the next one knows it."""
    if case.kept.read_only:
        message = (
            f"{case.wanted.folder} is mounted so that it can only be read, and a run notes there "
            "what it has begun; mount it so that it can be written to"
        )
        yield _error(case, message, "directory")


def against_backup(case: Case) -> Iterator[FleetError]:
    """It is whole, as far as that is seen without reading all of it."""
    broken = why_not_whole(case.backup, case.by_id)
    if broken:
        yield _error(case, f"{case.backup.id} cannot be restored: {broken}", "backup")
    if case.world.host.exists(QEMU_IMG) is False:
        yield _error(case, f"{QEMU_IMG} is needed for it; install qemu-utils")


def against_vm(case: Case) -> Iterator[FleetError]:
    """The VM is absent, or is off and may be replaced."""
    wanted, host = case.wanted, case.world.host
    owner = host.owner_of("vm", case.uuid)
    if owner not in (None, "", wanted.target):
        yield _error(case, f"{owner} has its UUID {case.uuid}; remove or rename that first", "vm")
    if not case.have.exists:
        return
    state = str(case.have.facts.get("state"))
    there = xmltree.get(case.have.definition, "uuid")
    if there != case.uuid:
        message = (
            f"is there, and is another VM by its UUID ({there}, and not {case.uuid}); remove or "
            "rename that first, or restore it as another VM (name)"
        )
        yield _error(case, message, "vm")
    elif case.is_another and case.journal.uuid != case.uuid:
        # Each VM has the UUID that its name gives, so it says nothing of where the VM is from.
        message = (
            f"is there, and was not restored from {wanted.folder}; remove or rename that first"
        )
        yield _error(case, message, "vm")
    elif state in (RUNNING, PAUSED):
        yield _error(case, f"is {state}; stop it first (state: stopped)", "vm")
    elif not wanted.overwrite and not case.is_begun:
        yield _error(
            case,
            "is there, and what its disks have now would be lost; say overwrite: true where that "
            "may go, or restore it as another VM (name)",
            "overwrite",
        )


def against_pool(case: Case) -> Iterator[FleetError]:
    """The pool has files, or the disks go to where they were."""
    wanted = case.wanted
    if not wanted.pool:
        if case.is_another:
            message = "is needed for another VM, whose disks cannot be where those of this one are"
            yield _error(case, message, "pool")
        return
    pool = case.world.was("storage_pool", wanted.pool)
    if not pool.exists:
        yield _error(case, f"there is no storage pool {wanted.pool}; make it first", "pool")
    elif type_of(pool) not in FILE_POOLS:
        message = f"{wanted.pool} is {type_of(pool)}, and disks are restored into files only"
        yield _error(case, message, "pool")


def against_disks(case: Case) -> Iterator[FleetError]:
    """Each can be written where it goes, and is nobody's else there."""
    images = Images([], case.world)
    for disk in case.disks:
        if not disk.path.startswith("/") or disk.path.startswith("/dev/"):
            message = f"disk {disk.copy.name} was on {disk.path}, which is no file; name a pool"
            yield _error(case, message, "pool")
            continue
        yield from _against_asleep(case, disk)
        others = _others_on(case, images, disk)
        if others:
            message = f"{disk.path} is used by {', '.join(others)}, for which it would be another"
            todo = "remove what is of no use, or restore it as another VM (name)"
            yield _error(case, f"{message}; {todo}", "vm")
        there = case.world.host.exists(disk.path)
        if there and not case.wanted.overwrite and not case.is_ours(disk.path):
            yield _error(
                case,
                f"{disk.path} is there, and what is in it would be lost; say overwrite: true where "
                "that may go, or name a pool",
                "overwrite",
            )
        folder = case.folder_of(disk.place)
        if case.world.host.exists(folder) is False:
            message = f"there is no folder {folder}; make it, or name a pool"
            yield _error(case, message, "pool")
        elif case.facts.is_read_only(folder):
            message = f"{folder} is mounted so that it can only be read; name another pool"
            yield _error(case, message, "pool")


def _against_asleep(case: Case, disk: DiskBack) -> Iterator[FleetError]:
    """What is mounted for a pool is there: else the disk would lie below its mount point."""
    for pool in case.world.everything("storage_pool").values():
        mounted = type_of(pool) in MOUNTED or pool.name == case.wanted.pool
        if mounted and holds(pool, disk.path) and pool.facts.get("state") == "inactive":
            message = f"{pool.name}, in which {disk.path} is to be, is not active; start it first"
            yield _error(case, message, "pool")


def _others_on(case: Case, images: Images, disk: DiskBack) -> list[str]:
    """Who else uses the image that is written, or stands on an overlay that the VM has over it."""
    above = case.above(disk)
    own, tops = f"vm/{case.wanted.target}", {case.chains.place(path) for path in above}
    others = set()
    for path in (disk.path, *above):
        told = images.at(path)
        for use in (*told, *images.standing_beside(path, told)):
            goes_along = bool(use.top) and case.chains.place(use.top) in tops
            if use.user != own and not goes_along and not _is_left(case, use):
                others.add(use.named)
    return sorted(others)


def _is_left(case: Case, use: Use) -> bool:
    """Whether it is an overlay that an earlier run had to leave, and that no VM has by now."""
    by_vm = use.user.startswith("vm/")
    return use.does == STANDS and not by_vm and case.is_left(use.top, use.path)


def against_room(case: Case) -> Iterator[FleetError]:
    """New images are whole before old ones go."""
    by_folder: dict[str, int] = {}
    for disk in case.disks:
        folder = case.folder_of(disk.place)
        copies = [one.disk(disk.copy.target) for one in case.chain]
        needs = min(disk.copy.capacity, sum(one.size for one in copies if one is not None))
        by_folder[folder] = by_folder.get(folder, 0) + needs
    for folder, needs in by_folder.items():
        free = case.facts.room(folder)
        if free is not None and free < needs:
            has, most = about(free), about(needs)
            message = f"{folder} has {has} left, and up to {most} are needed; make room"
            yield _error(case, message, "pool")
