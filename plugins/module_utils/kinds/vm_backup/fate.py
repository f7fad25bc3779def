# SPDX-License-Identifier: GPL-3.0-or-later
"""How each disk is copied, and why: whole, or what was written since another backup."""

from __future__ import annotations

from typing import NamedTuple

from .case import Case
from .declared import AUTO
from .disks import Disk
from .manifest import FULL, INCREMENTAL, Backup, above, why_not_whole


class DiskFate(NamedTuple):
    """What becomes of one disk."""

    disk: Disk
    mode: str
    why: str
    parent: str = ""  # the backup that its copy stands on

    @property
    def file(self) -> str:
        """What its copy is called."""
        return f"{self.disk.target}.qcow2"


def base_of(case: Case) -> Backup | None:
    """The backup since which QEMU knows what was written: the latest whose checkpoint is there, or
    else the latest that had one."""
    had = [one for one in case.own if one.checkpoint]
    there = [one for one in had if one.checkpoint in case.checkpoints]
    found = there or had
    return found[-1] if found else None


def fates(case: Case, disks: list[Disk]) -> list[DiskFate]:
    """What becomes of each disk."""
    base = base_of(case)
    why = _why_all_whole(case, base)
    if why or base is None:
        return [DiskFate(disk, FULL, why) for disk in disks]
    known = case.facts.bitmaps(case.wanted.vm, base.checkpoint)
    return [_fate(case, disk, base, known) for disk in disks]


def _why_all_whole(case: Case, base: Backup | None) -> str:
    if not case.runs:
        return f"the VM is {case.state}, and only a QEMU that runs tells what was written since"
    if case.wanted.mode == FULL:
        return "as declared"
    if base is None:
        return _why_no_base(case)
    if base.checkpoint not in case.checkpoints:
        return (
            f"libvirt has no checkpoint {base.checkpoint} of {base.id} any more, as when the VM "
            "was undefined or moved, or the checkpoint deleted"
        )
    broken = why_not_whole(base, case.by_id)
    if broken:
        return f"the chain has a gap: {broken}"
    number = sum(1 for _each in above(base, case.by_id))
    if case.wanted.mode == AUTO and number >= case.wanted.max_incrementals:
        return f"{number} incremental ones stand on the last whole one (max_incrementals)"
    return ""


def _why_no_base(case: Case) -> str:
    if case.own:
        return "no backup here has a checkpoint"
    if case.kept.backups:
        return "the backups here are of an earlier VM of this name, by its UUID"
    return "it is the first here"


def _fate(case: Case, disk: Disk, base: Backup, known: dict[str, int]) -> DiskFate:
    why = _why_whole(case, disk, base, known)
    if why:
        return DiskFate(disk, FULL, why)
    return DiskFate(disk, INCREMENTAL, f"what was written since {base.id}", base.id)


def _why_whole(case: Case, disk: Disk, base: Backup, known: dict[str, int]) -> str:
    before = base.disk(disk.target)
    if disk.format != "qcow2":
        return f"it is {disk.format}, in which QEMU cannot keep what was written since"
    if before is None:
        return f"{base.id} has it not"
    if disk.target not in known:
        return (
            "QEMU's bitmap of what was written since is not in its image, or broken, as after QEMU "
            "was killed, or where the disk is another now"
        )
    size = case.facts.disk_size(case.wanted.vm, disk.target)
    if size is not None and size.capacity != before.capacity:
        return "its size is another now"
    if before.had_snapshots:
        return (
            f"there were snapshots inside of its image at {base.id}, and that it went back to one "
            "could not be seen"
        )
    return ""
