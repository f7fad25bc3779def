# SPDX-License-Identifier: GPL-3.0-or-later
"""What plans for backups ask of a host beside what others do: each question has a type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ...engine.errors import FleetError
from ...engine.facts import Fact, Facts
from ...engine.move_facts import DiskSize
from .manifest import Backup, backup_in

# What moves while a plan is looked at: it decides, and what it decides is in the plan.
MOVES = ("now", "bitmaps", "room", "disk_size", "vm_job", "backup", "written")


class Leftover(NamedTuple):
    """What is half-made, or half-removed, in a folder of backups."""

    id: str  # without the suffix
    mark: Mapping[str, Any]  # what was to be made; empty where nothing is there yet
    others: tuple[str, ...]  # files in it that are not of ours

    @property
    def checkpoint(self) -> str:
        """The checkpoint that was made along with it."""
        return str(self.mark.get("checkpoint", ""))


class Kept(NamedTuple):
    """What is kept of a VM in a folder."""

    exists: bool  # the folder above that of the VM
    holder: str = ""  # the process that makes a backup there at this moment
    backups: tuple[Backup, ...] = ()  # the oldest first
    leftovers: tuple[Leftover, ...] = ()
    broken: Mapping[str, str] = {}  # folders with a manifest that cannot be read, and why
    read_only: bool = False  # what is mounted there
    file: str = ""  # what is no folder and stands where one of both has to be
    others: Mapping[str, tuple[str, ...]] = {}  # by backup, the files that its manifest has not


class BackupFacts:
    """What a host tells of backups."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts

    @property
    def now(self) -> int:
        """Milliseconds since 1970."""
        return int(self.facts.ask("now", unknown=0))

    def kept(self, directory: str, vm: str) -> Kept:
        """What is there of a VM."""
        told = self.facts.ask("backups", directory, vm, unknown={"exists": True})
        backups, broken = [], dict(told.get("broken", {}))
        for name, said in told.get("backups", {}).items():
            try:
                backups.append(_backup(name, said))
            except (ValueError, FleetError) as error:
                broken[name] = str(error)
        return Kept(
            bool(told["exists"]),
            str(told.get("holder", "")),
            tuple(sorted(backups, key=lambda one: (one.made, one.id))),
            tuple(Leftover(*one) for one in told.get("leftovers", ())),
            broken,
            bool(told.get("read_only")),
            str(told.get("file", "")),
            {name: tuple(files) for name, files in told.get("others", {}).items()},
        )

    def bitmaps(self, vm: str, checkpoint: str) -> dict[str, int]:
        """The disks of a running VM, by target, of which QEMU knows all that was written since a
        checkpoint, each with how many bytes that are."""
        return dict(self.facts.ask("bitmaps", vm, checkpoint, unknown={}))

    def room(self, directory: str) -> int | None:
        """Bytes that are free in a folder; None where nobody can tell."""
        found: int | None = self.facts.ask("room", directory)
        return found

    def is_read_only(self, folder: str) -> bool:
        """Whether what is mounted there can only be read."""
        return bool(self.facts.ask("read_only", folder, unknown=False))

    def disk_size(self, vm: str, target: str) -> DiskSize | None:
        """How large a disk is."""
        found: DiskSize | None = self.facts.ask("disk_size", vm, target)
        return found


def lasting(facts: frozenset[Fact]) -> frozenset[Fact]:
    """Those that are the same until a plan is done."""
    return frozenset(fact for fact in facts if fact[0] not in MOVES)


def _backup(name: str, said: Mapping[str, Any]) -> Backup:
    found = backup_in(said)
    if found.id != name:
        raise ValueError(f"its manifest is that of {found.id}; it was renamed or copied")
    return found
