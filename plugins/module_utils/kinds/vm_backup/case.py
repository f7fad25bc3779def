# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan for the backups of a VM looks at."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

from ...engine import xmltree
from ...engine.xmltree import Element
from ..vm.states import PAUSED, RUNNING
from .declared import Declared
from .disks import Disk, disks_of
from .looking import Looking, Wants
from .manifest import Backup


@dataclass(frozen=True)
class AtWork(Looking[Wants]):
    """A VM as it is, of which a backup or an export is made."""

    @property
    def state(self) -> str:
        """Its power state."""
        return str(self.have.facts.get("state"))

    @property
    def runs(self) -> bool:
        """Whether QEMU has its disks open, and so is the one to copy them."""
        return self.state in (RUNNING, PAUSED) and self.have.live is not None

    @property
    def domain(self) -> Element:
        """What runs; of what does not, what is stored."""
        return self.have.running if self.runs else self.have.definition

    @property
    def uuid(self) -> str:
        """By which the VM is told from another of its name."""
        return xmltree.get(self.have.definition, "uuid") or ""

    @cached_property
    def disks(self) -> list[Disk]:
        """All its disks that are written to."""
        return disks_of(self.domain, self.chains)


@dataclass(frozen=True)
class Case(AtWork[Declared]):
    """The backups of one VM in one folder, and what is declared of them."""

    @cached_property
    def definition(self) -> str:
        """A digest of what is stored of it."""
        text = xmltree.serialise(self.have.definition)
        return hashlib.sha256(text.encode()).hexdigest()

    @cached_property
    def own(self) -> list[Backup]:
        """The backups of this very VM, the oldest first."""
        return [one for one in self.kept.backups if one.uuid == self.uuid]
