# SPDX-License-Identifier: GPL-3.0-or-later
"""What plans for making backups of a VM, and for restoring one, look at alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, Protocol, TypeVar

from ...engine.plan import Have
from ...engine.world import World
from ..images.chains import Chains
from .facts import BackupFacts, Kept
from .manifest import Backup


class Asked(Protocol):
    """What is declared, whichever of both it is."""

    @property
    def vm(self) -> str:
        """The VM whose backups they are."""

    @property
    def target(self) -> str:
        """The VM that is looked at."""

    @property
    def directory(self) -> str:
        """The folder with the backups of all VMs."""

    @property
    def resource(self) -> str:
        """How errors and plans call it."""


Wants = TypeVar("Wants", bound=Asked)


@dataclass(frozen=True)
class Looking(Generic[Wants]):
    """A VM, and the backups in one folder."""

    world: World
    wanted: Wants

    @property
    def resource(self) -> str:
        """How errors and plans call it."""
        return self.wanted.resource

    @cached_property
    def have(self) -> Have:
        """The VM."""
        return self.world.was("vm", self.wanted.target)

    @cached_property
    def chains(self) -> Chains:
        """What images of the host stand on."""
        return Chains(self.world)

    @cached_property
    def facts(self) -> BackupFacts:
        """What the host tells of backups."""
        return BackupFacts(self.world.facts)

    @cached_property
    def kept(self) -> Kept:
        """What is in the folder."""
        return self.facts.kept(self.wanted.directory, self.wanted.vm)

    def has_changed(self) -> bool:
        """Whether what is in the folder is not what the plan was made for, as where another run
        had its turn before this one. Reads it anew."""
        now = BackupFacts(self.world.facts.anew()).kept(self.wanted.directory, self.wanted.vm)
        return now._replace(holder="") != self.kept._replace(holder="")

    @cached_property
    def own(self) -> list[Backup]:
        """The backups that count, the oldest first."""
        return list(self.kept.backups)

    @cached_property
    def by_id(self) -> Mapping[str, Backup]:
        """The same by their names."""
        return {one.id: one for one in self.own}

    @cached_property
    def checkpoints(self) -> list[str]:
        """The checkpoints that libvirt has of the VM."""
        return self.world.host.checkpoints(self.wanted.target)
