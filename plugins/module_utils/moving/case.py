# SPDX-License-Identifier: GPL-3.0-or-later
"""What a pre-flight looks at: a move, with what follows from it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from ..engine import xmltree
from ..engine.xmltree import Element
from .fate import DiskFate
from .fates import fates
from .findings import FAIL, PASS, WARN, Finding
from .mapped import definition_there
from .mode import Mode, chosen
from .move import Move
from .side import Side


@dataclass(frozen=True)
class Case:
    """One move under examination."""

    move: Move

    @property
    def source(self) -> Side:
        """The host where the VM lives."""
        return self.move.source

    @property
    def target(self) -> Side:
        """The host where it is to live."""
        return self.move.target

    @cached_property
    def fates(self) -> list[DiskFate]:
        """What becomes of each disk."""
        return fates(self.move)

    @cached_property
    def mode(self) -> Mode:
        """By which mode it moves."""
        return chosen(self.move, self.fates)

    @cached_property
    def has_memory(self) -> bool:
        """Whether a guest goes on at the target with the memory that it has here: what it sees of
        its hardware has to be the same."""
        return self.mode.is_live or self.move.saved

    @cached_property
    def sent(self) -> Element:
        """The definition that goes over: of what runs or is saved, else of what is stored.

        As libvirt would send it: a CPU that follows its host is told as the one that it became.
        """
        texts = self.source.moves.migratable(self.move.vm)
        text = texts.get("live" if self.has_memory else "stored")
        if text:
            return xmltree.parse(text)
        return self.move.definition if self.has_memory else self.move.have.definition

    @cached_property
    def waiting(self) -> Element | None:
        """The definition that a running VM has from its next start on, which is at the target."""
        stored = self.move.have.stored
        if not self.mode.is_live or not self.move.have.facts.get("persistent", True):
            return None
        return stored

    @cached_property
    def there(self) -> Element:
        """The same as the target is given it."""
        return definition_there(self.move, self.fates, self.sent)

    # ---- what most checks ask of it

    @cached_property
    def kind(self) -> tuple[str, str, str]:
        """Architecture, machine type and virtualisation of the VM."""
        of = self.sent
        arch = xmltree.get(of, "os/type/@arch") or self.source.host.arch
        machine = xmltree.get(of, "os/type/@machine") or ""
        return arch, machine, of.get("type", "kvm")

    # ---- findings

    @staticmethod
    def passed(check: str, message: str, about: str = "", **sides: str) -> Finding:
        """A prerequisite that is met."""
        return Finding(check, PASS, message, about, **sides)

    @staticmethod
    def warned(check: str, message: str, todo: str, about: str = "", **sides: str) -> Finding:
        """What one should know, or cannot be known."""
        return Finding(check, WARN, message, about, todo=todo, **sides)

    @staticmethod
    def failed(check: str, message: str, todo: str, about: str = "", **sides: str) -> Finding:
        """A prerequisite that is not met."""
        return Finding(check, FAIL, message, about, todo=todo, **sides)


def listed(names: Iterable[object]) -> str:
    """Names as a text; none is said as such."""
    return ", ".join(map(str, names)) or "none"


def version_text(number: int) -> str:
    """libvirt's number of a version as one reads it: 7002000 is 7.2.0."""
    return f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}"
