# SPDX-License-Identifier: GPL-3.0-or-later
"""What plans ask of the machine to which a volume is brought: it is mostly not the host."""

from __future__ import annotations

from typing import NamedTuple

from ...engine.facts import Fact, Facts

# What moves while a plan is looked at: it decides, and what it decides is in the plan.
MOVES = ("dest_room", "vm")


class Dest(NamedTuple):
    """What is at a path of the machine where the module runs, and beside it."""

    real: str  # where the file is or will be, if what is named is a link
    folder: str = "folder"  # what the folder is: folder, file, other, or nothing
    type: str = ""  # what is there: file, folder, other, or nothing
    size: int = 0  # bytes
    written_ns: int = 0  # since 1970
    partial: str = ""  # what is in the place of the file as it is being made

    def is_as_written(self, written_ns: int) -> bool:
        """Whether it was last written when the volume was, as far as its file system tells."""
        is_coarse = self.written_ns % 10**9 == 0
        return self.written_ns == (written_ns // 10**9 * 10**9 if is_coarse else written_ns)


class DestFacts:
    """What the machine tells of the place where a file is to be."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts

    def dest(self, path: str) -> Dest:
        """What is there."""
        return Dest(*self.facts.ask("dest", path, unknown=(path,)))

    def checksum(self, path: str, algorithm: str) -> str:
        """The digits of a file that is there; empty where it cannot be read."""
        return str(self.facts.ask("dest_checksum", path, algorithm, unknown=""))

    def room(self, path: str) -> int | None:
        """Bytes that are free for a file; None where nobody can tell."""
        found: int | None = self.facts.ask("dest_room", path)
        return found


def lasting(facts: frozenset[Fact]) -> frozenset[Fact]:
    """Those that are the same until a plan is done."""
    return frozenset(fact for fact in facts if fact[0] not in MOVES)
