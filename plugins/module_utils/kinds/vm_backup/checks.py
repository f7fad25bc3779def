# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands against a backup. Each is a function that says it under its name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from ...engine import xmltree
from ...engine.errors import FleetError
from ...engine.keys import PRESENT
from ...engine.secret_words import shown_name
from ...engine.units import format_size
from ..images.chains import Layer
from ..vm.under_way import backup_under_way
from .case import AtWork, Case
from .disks import Disk
from .facts import Leftover
from .fate import DiskFate
from .manifest import FULL, INCREMENTAL, PARTIAL, why_not_whole
from .retention import standing_on

QEMU_IMG = "/usr/bin/qemu-img"
INCREMENTAL_SINCE = 7_002_000  # of libvirt


def _error(case: AtWork[Any], message: str, field: str = "") -> FleetError:
    return FleetError(message, case.resource, field)


class Seen(Protocol):
    """What is seen of a folder."""

    @property
    def exists(self) -> bool:
        """Whether there is the folder that was declared."""

    @property
    def file(self) -> str:
        """What is no folder and stands where one has to be."""

    @property
    def read_only(self) -> bool:
        """Whether nothing can be written there."""


def against_directory(case: AtWork[Any], seen: Seen) -> Iterator[FleetError]:
    """The directory that is declared is of this machine, there, and can be written to."""
    directory = case.wanted.directory
    if not case.world.host.is_local:
        yield _error(
            case,
            f"files are written by this module too, and {shown_name(case.world.host.uri)} is "
            "another machine; run it there",
            "uri",
        )
    elif seen.file:
        yield _error(case, f"{seen.file} is no folder; name another directory", "directory")
    elif not seen.exists:
        message = f"there is no folder {directory}; make it, or mount it, first"
        yield _error(case, message, "directory")
    elif seen.read_only:
        yield _error(case, f"{directory} is mounted so that it can only be read", "directory")


def against_folder(case: Case) -> Iterator[FleetError]:
    """Backups can be kept there, and nobody else is at work in the folder."""
    wanted, kept = case.wanted, case.kept
    found = [*against_directory(case, kept)]
    yield from found
    if kept.holder and not found:
        message = f"{kept.holder} is at work in {wanted.folder}; wait until it has ended"
        yield _error(case, message, "directory")


def against_name(case: Case) -> Iterator[FleetError]:
    """A name is that of a backup of this VM, and is free or whole."""
    name = case.wanted.name
    if not name:
        return
    there = next((one for one in case.kept.backups if one.id == name), None)
    if name in case.kept.broken:
        yield _error(case, f"is there already, and {case.kept.broken[name]}", "name")
    elif there is not None and case.have.exists and there.uuid != case.uuid:
        message = f"is there already, and of an earlier VM of this name ({there.uuid})"
        yield _error(case, message, "name")
    elif there is not None and case.wanted.state == str(PRESENT):
        broken = why_not_whole(there, {one.id: one for one in case.kept.backups})
        if broken:
            message = f"is there, and of no use: {broken}; remove it (state: absent)"
            yield _error(case, message, "name")
    for one in case.kept.leftovers:
        if one.id == name and one.others:
            message = f"{name}{PARTIAL} has files of others in it ({one.others[0]}); remove it"
            yield _error(case, message, "name")


def against_absent(case: Case) -> Iterator[FleetError]:
    """Nothing stands on what is to go, and all of it is ours."""
    there = next((one for one in case.kept.backups if one.id == case.wanted.name), None)
    if there is None:
        return
    standing = standing_on(there, case.kept.backups)
    if standing:
        message = f"{', '.join(standing)} stand on it, and would be of no use; remove them first"
        yield _error(case, message, "state")
    others = case.kept.others.get(there.id)
    if others:
        yield _error(case, f"has files in it that its manifest does not name ({others[0]})", "name")
    if case.have.exists and there.checkpoint in case.checkpoints and not case.runs:
        message = "libvirt has its checkpoint, and removes that only while the VM runs; start it"
        yield _error(case, message, "state")


def against_vm(case: Case) -> Iterator[FleetError]:
    """The VM is stored, and nobody is at work on it."""
    if not case.have.facts.get("persistent", True):
        message = (
            "is stored nowhere, so nothing would be known of it; store it first (virsh define)"
        )
        yield _error(case, message, "vm")
    yield from against_work(case, left_running(case) is not None)


def against_work(case: AtWork[Any], is_own: bool) -> Iterator[FleetError]:
    """Nobody is at work on a VM, where the backup that libvirt makes of it is not an own one."""
    vm, host = case.wanted.vm, case.world.host
    if host.driver != "QEMU":
        yield _error(case, f"libvirt's driver {host.driver} makes no backups", "uri")
    if not case.runs or host.driver != "QEMU":
        return
    job = host.vm_job(vm)
    if job:
        yield _error(case, f"libvirt is at work on it ({job}); run again when that is done", "vm")
        return
    under_way = "" if is_own else backup_under_way(host, vm)
    if under_way:
        yield _error(case, under_way, "vm")
        return
    for disk in case.disks:
        found = host.block_job(vm, disk.target)
        if found and found != "backup":
            yield _error(
                case,
                f"a {found} of disk {disk.name} is under way; wait, or abort it (virsh blockjob "
                f"{vm} {disk.target} --abort)",
                "vm",
            )


def left_running(case: Case) -> Leftover | None:
    """What an interrupted run left, of which libvirt still fills the files."""
    text = case.world.host.backup(case.wanted.vm) if case.runs else ""
    if not text:
        return None
    targets = [
        target.get("file", "") for target in xmltree.parse(text).findall("disks/disk/target")
    ]
    for one in case.kept.leftovers:
        folder = f"{case.wanted.folder}/{one.id}{PARTIAL}/"
        if targets and all(path.startswith(folder) for path in targets):
            return one
    return None


def against_disks(case: Case, fates: list[DiskFate]) -> Iterator[FleetError]:
    """Each disk can be copied as declared, by what there is here."""
    host, wanted = case.world.host, case.wanted
    for one in fates:
        if wanted.mode == INCREMENTAL and one.mode == FULL:
            message = f"{one.disk.name} cannot be: {one.why}; mode: auto would copy it whole"
            yield _error(case, message, "mode")
        if not case.runs:
            yield from _against_off(case, one.disk)
    needs_tool = not case.runs or any(one.parent for one in fates)
    if needs_tool and host.exists(QEMU_IMG) is False:
        yield _error(case, f"{QEMU_IMG} is needed for it; install qemu-utils", "mode")
    if case.runs and wanted.checkpoint and host.libvirt_version < INCREMENTAL_SINCE:
        message = "libvirt older than 7.2 keeps no checkpoints; say checkpoint: false"
        yield _error(case, message, "checkpoint")


def _against_off(case: Case, disk: Disk) -> Iterator[FleetError]:
    if not disk.path.startswith("/"):
        message = f"disk {disk.name} has no path on this host, and QEMU does not run; start the VM"
        yield _error(case, message, "vm")
    elif case.world.host.exists(disk.path) is False:
        yield _error(case, f"the image of disk {disk.name} is not there: {disk.path}", "vm")
    else:
        gone = case.chains.missing_below(Layer(disk.path, disk.format))
        if gone:
            yield _error(case, f"disk {disk.name} needs {gone}, which is not there", "vm")


def against_room(case: Case, fates: list[DiskFate], checkpoint: str) -> Iterator[FleetError]:
    """As far as it is known how much will be copied."""
    own = case.facts.room(case.wanted.folder)  # where there is one, another may be mounted there
    free = case.facts.room(case.wanted.directory) if own is None else own
    known = case.facts.bitmaps(case.wanted.vm, checkpoint) if checkpoint else {}
    needs = sum(_size(case, one, known) for one in fates)
    if free is not None and needs > free:
        yield _error(
            case,
            f"{case.wanted.directory} has {about(free)} left, and about {about(needs)} are to be "
            "copied; make room",
            "directory",
        )


def _size(case: Case, fate: DiskFate, known: dict[str, int]) -> int:
    if fate.parent:
        return known.get(fate.disk.target, 0)
    size = case.facts.disk_size(case.wanted.vm, fate.disk.target)
    return min(size.allocation, size.capacity) if size is not None else 0


def about(size: int) -> str:
    """A size as it is told: no finer than MiB where it has any."""
    return format_size(size if size < 2**20 else size // 2**20 * 2**20)
