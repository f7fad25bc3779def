# SPDX-License-Identifier: GPL-3.0-or-later
"""What an applier of a move has in hand: the plan, and both hosts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..engine import xmltree
from ..engine.changes import Change, Lost
from ..engine.plan import Plan
from ..host.connection import Host
from .fate import DiskFate
from .mode import Mode
from .move import Move
from .notes import Note


@dataclass(frozen=True)
class Job:
    """One move that is to be made, or finished."""

    move: Move
    plan: Plan
    mode: Mode
    fates: tuple[DiskFate, ...]
    source: Host
    target: Host
    progress: list[dict[str, Any]] = field(default_factory=list)  # as it was seen while it ran

    @property
    def resource(self) -> str:
        """How errors call it: `migration/web`."""
        return self.move.resource

    @property
    def name(self) -> str:
        """The name of the VM."""
        return self.move.vm

    @property
    def uuid(self) -> str:
        """The UUID of the VM."""
        return xmltree.get(self.move.have.definition, "uuid") or ""

    @property
    def persistent(self) -> bool:
        """Whether its definition is stored."""
        return bool(self.move.have.facts.get("persistent", True))

    @property
    def note(self) -> Note:
        """What definitions say of it as long as it is not over."""
        ends = self.move.source.name, self.move.target.name
        autostart = bool(self.move.have.facts.get("autostart"))
        return Note(*ends, self.mode.name, autostart=autostart)

    @property
    def copied(self) -> list[DiskFate]:
        """The disks whose data goes over."""
        return [fate for fate in self.fates if fate.is_copied]

    def loses(self, option: str) -> bool:
        """Whether the plan says that something goes at the source."""
        return any(_is_lost(change, option) for change in self.plan.changes)


def _is_lost(change: Change, option: str) -> bool:
    return isinstance(change, Lost) and change.is_of(option)
