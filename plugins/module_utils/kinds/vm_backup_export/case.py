# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan for the export of a VM looks at."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from ..vm_backup.case import AtWork
from ..vm_backup.disks import Disk
from .declared import Declared
from .facts import Export, ExportFacts, Mark, Place, export_in

SOCKET = "backup.sock"


@dataclass(frozen=True)
class Case(AtWork[Declared]):
    """The export of one VM, and what is declared of it."""

    @cached_property
    def exports(self) -> ExportFacts:
        """What the host tells of exports."""
        return ExportFacts(self.world.facts)

    @cached_property
    def place(self) -> Place:
        """What is in the folder."""
        return self.exports.place(self.wanted.directory, self.wanted.vm)

    def has_changed(self) -> bool:
        """Whether another run was at work in the folder since the plan was made. Reads it anew."""
        now = ExportFacts(self.world.facts.anew()).place(self.wanted.directory, self.wanted.vm)
        return now != self.place

    @cached_property
    def mark(self) -> Mark | None:
        """What a run noted of an export that was begun, or was about to be."""
        return self.place.mark

    @cached_property
    def under_way(self) -> Export | None:
        """The export of ours that is under way."""
        if not (self.have.exists and self.runs):
            return None
        found = export_in(self.world.host.backup(self.wanted.vm))
        return found if found is not None and found.is_in(self.wanted.folder) else None

    @property
    def own_checkpoint(self) -> str:
        """The checkpoint that was begun with what is noted, where libvirt has it."""
        mark = self.mark
        if mark is None or not self.have.exists or mark.uuid != self.uuid:
            return ""
        return mark.checkpoint if mark.checkpoint in self.checkpoints else ""

    @cached_property
    def socket(self) -> str:
        """The socket at which it is to be; empty where it is to be at an address."""
        wanted = self.wanted
        if wanted.address or wanted.socket:
            return wanted.socket
        folder = self.exports.own_folder(wanted.vm)
        return f"{folder}/{SOCKET}" if folder else ""

    @property
    def would(self) -> Export:
        """The export that is declared, without its disks."""
        wanted = self.wanted
        return Export(self.socket, wanted.address, wanted.port, wanted.tls, ())

    def disk(self, target: str) -> Disk | None:
        """A disk by its target."""
        return next((one for one in self.disks if one.target == target), None)
