# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands against an export. Each is a function that says it under its name."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from ...engine.errors import FleetError
from ..vm_backup.checks import INCREMENTAL_SINCE, about, against_directory, against_work
from ..vm_backup.disks import Disk
from .case import Case
from .declared import LONGEST_SOCKET

# A guest's write fails where what it overwrites cannot be kept, so that some has to be there.
LEAST_ROOM = 1 << 30


def _error(case: Case, message: str, field: str = "") -> FleetError:
    return FleetError(message, case.resource, field)


def against_place(case: Case) -> Iterator[FleetError]:
    """The folder is of this machine and there, and what is in it is of exports."""
    place = case.place
    found = [*against_directory(case, place)]
    yield from found
    if found:
        return
    if place.broken:
        message = f"what is noted in {case.wanted.folder} cannot be read: {place.broken}"
        yield _error(case, f"{message}; look at it, and remove it", "directory")
    elif place.others:
        message = f"{case.wanted.folder} has files of others in it ({place.others[0]}); remove them"
        yield _error(case, message, "directory")


def against_vm(case: Case) -> Iterator[FleetError]:
    """The VM runs, and nobody else is at work on it."""
    if not case.have.exists:
        yield _error(case, f"there is no VM {case.wanted.vm}", "vm")
    elif not case.runs:
        message = f"is {case.state}, and only a QEMU that runs exports its disks; start it"
        yield _error(case, f"{message}, or read its images", "vm")
    else:
        yield from against_work(case, case.under_way is not None)


def against_change(case: Case) -> Iterator[FleetError]:
    """What is under way is what is declared; somebody may be reading it."""
    own, mark, wanted = case.under_way, case.mark, case.wanted
    if own is None or mark is None:
        return
    other = {
        "since": wanted.since != next((one.since for one in own.disks), ""),
        "checkpoint": wanted.checkpoint != mark.checkpoint,
        "socket": case.socket != own.socket,
        "address": wanted.address != own.address,
        "port": wanted.port != own.port,
        "tls": wanted.tls != own.tls,
    }
    for name in (name for name, differs in other.items() if differs):
        yield _error(case, _under_way("was begun with another"), name)
    asked = {one.target for one in case.disks if _is_asked(case, one)}
    if asked != {one.target for one in own.disks}:
        yield _error(case, _under_way("has other disks"), "disks")


def _is_asked(case: Case, disk: Disk) -> bool:
    asked = case.wanted.disks
    return not asked or disk.name in asked or disk.target in asked


def _under_way(why: str) -> str:
    return f"the export that is under way {why}; end it first (state: absent)"


def against_server(case: Case) -> Iterator[FleetError]:
    """One can begin to listen there."""
    wanted, host = case.wanted, case.world.host
    if wanted.address:
        why = case.exports.why_not_bound(wanted.address, wanted.port)
        if why:
            message = f"nobody can listen at {wanted.address}:{wanted.port} ({why}); say another"
            yield _error(case, message, "port")
        lacks = case.exports.lacks_certificates() if wanted.tls else ""
        if lacks:
            yield _error(
                case,
                f"there is no {lacks}; libvirt takes certificates for it from where qemu.conf says "
                "(backup_tls_x509_cert_dir)",
                "tls",
            )
        return
    if not case.socket:
        message = "libvirt's folder of the running VM was not found; say at which socket it is"
        yield _error(case, message, "socket")
    elif len(case.socket.encode()) > LONGEST_SOCKET:
        yield _error(case, f"{case.socket} is too long for a socket; say another", "socket")
    elif host.exists(posixpath.dirname(case.socket)) is False:
        message = f"there is no folder {posixpath.dirname(case.socket)}; make it first"
        yield _error(case, message, "socket")
    elif host.exists(case.socket) and not _is_left(case):
        yield _error(case, f"{case.socket} is there already, and QEMU would replace it", "socket")


def _is_left(case: Case) -> bool:
    return case.mark is not None and case.mark.socket == case.socket


def against_checkpoints(case: Case, disks: list[Disk]) -> Iterator[FleetError]:
    """It can be known what was written, and the new checkpoint has a name of its own."""
    wanted, left = case.wanted, case.own_checkpoint
    there = [one for one in case.checkpoints if one != left]
    if (wanted.since or wanted.checkpoint) and (
        case.world.host.libvirt_version < INCREMENTAL_SINCE
    ):
        yield _error(case, "libvirt older than 7.2 keeps no checkpoints", "checkpoint")
    if wanted.checkpoint and wanted.checkpoint in there:
        message = f"there is a checkpoint {wanted.checkpoint} already; say another name"
        yield _error(case, message, "checkpoint")
    if wanted.checkpoint and not any(one.format == "qcow2" for one in disks):
        message = "none of the disks is qcow2, in which alone QEMU keeps what is written"
        yield _error(case, message, "checkpoint")
    if wanted.since and wanted.since not in there:
        message = f"there is no checkpoint {wanted.since}; omit since, and read the disks whole"
        yield _error(case, message, "since")
    elif wanted.since:
        yield from _against_bitmaps(case, disks)


def _against_bitmaps(case: Case, disks: list[Disk]) -> Iterator[FleetError]:
    known = case.facts.bitmaps(case.wanted.vm, case.wanted.since)
    for disk in disks:
        if disk.format != "qcow2":
            message = f"{disk.name} is {disk.format}, in which QEMU cannot keep what was written"
            yield _error(case, f"{message}; say the other disks", "since")
        elif disk.target not in known:
            message = f"QEMU's bitmap of {disk.name} since {case.wanted.since} is missing or broken"
            yield _error(case, f"{message}; omit since, and read the disks whole", "since")


def against_room(case: Case, disks: list[Disk]) -> Iterator[FleetError]:
    """There is some, for what the guest overwrites."""
    free, size = case.facts.room(case.wanted.directory), size_of(case, disks)
    if free is not None and free < min(size, LEAST_ROOM):
        yield _error(
            case,
            f"{case.wanted.directory} has {about(free)} left for what the guest overwrites of "
            f"{about(size)}, and its writes fail where that is full; make room",
            "directory",
        )


def warnings(case: Case, disks: list[Disk]) -> Iterator[str]:
    """What can be, and is better known."""
    wanted = case.wanted
    if wanted.address and not wanted.tls:
        yield (
            f"whoever reaches {wanted.address}:{wanted.port} can read the disks, and they go there "
            "as they are; say tls, or a socket"
        )
    free, size = case.facts.room(wanted.directory), size_of(case, disks)
    if free is not None and min(size, LEAST_ROOM) <= free < size:
        yield (
            f"{wanted.directory} has {about(free)} left, and the guest could overwrite "
            f"{about(size)}; its writes fail where that is full"
        )


def size_of(case: Case, disks: list[Disk]) -> int:
    """How much the guest could overwrite."""
    sizes = [case.facts.disk_size(case.wanted.vm, one.target) for one in disks]
    return sum(one.capacity for one in sizes if one is not None)
