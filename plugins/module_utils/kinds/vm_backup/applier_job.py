# SPDX-License-Identifier: GPL-3.0-or-later
"""What an applier of a backup has in hand: the plan, the host, and where the files are."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...host.connection import Host
from .applier_files import copy_state
from .declared import Declared
from .fate import DiskFate
from .manifest import PARTIAL, File
from .planned import Planned


@dataclass
class Job:
    """One backup that is made."""

    host: Host
    planned: Planned
    id: str = ""
    checkpoint: str = ""
    progress: list[dict[str, Any]] = field(default_factory=list)
    copied: int = 0
    cleared: list[str] = field(default_factory=list)

    @property
    def wanted(self) -> Declared:
        """What is declared."""
        return self.planned.case.wanted

    @property
    def resource(self) -> str:
        """How errors call it."""
        return self.wanted.resource

    @property
    def folder(self) -> Path:
        """Where the backups of the VM are."""
        return Path(self.wanted.folder)

    @property
    def partial(self) -> Path:
        """Where it is as long as it is half-made."""
        return self.folder / f"{self.id}{PARTIAL}"

    def path(self, fate: DiskFate) -> Path:
        """Where the copy of a disk is made."""
        return self.partial / fate.file


def state_of(job: Job) -> list[File]:
    """What is kept of the VM beside its disks, copied."""
    return [
        one for file in job.planned.files for one in copy_state(file.path, job.partial, file.field)
    ]
