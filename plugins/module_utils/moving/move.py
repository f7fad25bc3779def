# SPDX-License-Identifier: GPL-3.0-or-later
"""One move: which VM, from where, to where, and how."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from ..engine.plan import Have
from ..engine.xmltree import Element
from ..kinds.vm.states import PAUSED, RUNNING, SAVED
from .notes import note_of
from .options import LIVE, Options
from .side import Side


@dataclass(frozen=True)
class Move:
    """A VM that lives at the source and is to live at the target."""

    vm: str
    source: Side
    target: Side
    options: Options

    @property
    def resource(self) -> str:
        """How errors and plans call it: `migration/web`."""
        return f"migration/{self.vm}"

    @cached_property
    def have(self) -> Have:
        """The VM where it lives."""
        return self.source.vm(self.vm)

    @cached_property
    def there(self) -> Have:
        """What the target has of its name."""
        return self.target.vm(self.vm)

    @property
    def running(self) -> bool:
        """Whether it has a QEMU, which is what a live migration needs."""
        return self.have.facts.get("state") in (RUNNING, PAUSED)

    @cached_property
    def is_live(self) -> bool:
        """Whether QEMU copies its disks; or did, in the run that was interrupted."""
        note = note_of(self.there.stored) if self.is_coming else None
        return self.running or (note is not None and note.mode == LIVE)

    @cached_property
    def is_halted(self) -> bool:
        """Whether it stands still only since a move that was cut off, after all had gone over."""
        is_paused = self.have.facts.get("state") == PAUSED
        is_noted = note_of(self.have.stored) is not None
        return is_paused and is_noted and self.source.moves.halted(self.vm)

    @property
    def saved(self) -> bool:
        """Whether its memory is in a file of its host."""
        return self.have.facts.get("state") == SAVED

    @cached_property
    def is_coming(self) -> bool:
        """Whether what the target has of its name was left by such a move, which was cut off."""
        note = note_of(self.there.stored)
        return note is not None and (note.source, note.target) == (
            self.source.name,
            self.target.name,
        )

    @cached_property
    def is_taken_up(self) -> bool:
        """Whether an interrupted run had begun it; then files at the target may be those of it."""
        note = note_of(self.have.stored)
        begun = note is not None and (note.source, note.target)
        return self.is_coming or begun == (self.source.name, self.target.name)

    @property
    def definition(self) -> Element:
        """The definition of what moves: of what runs or is saved, else of what is stored."""
        return self.have.definition if self.have.live is None else self.have.running
