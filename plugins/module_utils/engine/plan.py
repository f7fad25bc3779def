# SPDX-License-Identifier: GPL-3.0-or-later
"""What is declared, what is there, and the plan that leads from one to the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .changes import Change, NoUndo, Removed
from .keys import PRESENT, Values
from .traits import STATE
from .xmltree import Element

# What happens to a resource as a whole.
NONE, CREATE, UPDATE, DELETE = "none", "create", "update", "delete"
END = "end"  # the first step of DELETE, where other things go with it: only what runs ends


class Member(NamedTuple):
    """One of a group of VMs that is declared as a whole."""

    group: str
    number: int


@dataclass(frozen=True)
class Wanted:
    """One declaration after validation: plain values, and how to go about it."""

    kind: str
    name: str
    state: str
    values: Values = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    needs: frozenset[tuple[str, str]] = frozenset()  # (kind, name) that must be there first
    pruned: bool = False  # no user wrote it: it goes because nothing declares it
    inherited: Mapping[str, str] = field(default_factory=dict)  # options, and where they stand
    member: Member | None = None  # of which group it is, where one declares it

    @property
    def resource(self) -> str:
        """How errors and plans call it: `vm/web`."""
        return f"{self.kind}/{self.name}"


@dataclass(frozen=True)
class Have:
    """One resource as it is: both its definitions as trees, and facts that are not XML."""

    kind: str
    name: str
    stored: Element | None = None
    live: Element | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def exists(self) -> bool:
        """Whether it is there at all."""
        return self.stored is not None

    @property
    def definition(self) -> Element:
        """The stored definition of what exists."""
        if self.stored is None:
            raise LookupError(f"{self.kind}/{self.name} has no definition")
        return self.stored

    @property
    def running(self) -> Element:
        """The definition that runs, of what does run."""
        if self.live is None:
            raise LookupError(f"{self.kind}/{self.name} does not run")
        return self.live


@dataclass(frozen=True)
class Plan:
    """All that a run does to one resource, and how it is predicted to be afterwards."""

    wanted: Wanted
    action: str
    have: Have
    after: Have  # what the resource will be; its trees are what gets defined
    changes: tuple[Change, ...] = ()
    pending: tuple[Change, ...] = ()  # fields that will wait for a restart
    warnings: tuple[str, ...] = ()
    facts: frozenset[tuple[str, ...]] = frozenset()  # what it was made from

    @property
    def resource(self) -> str:
        """How errors and plans call it: `vm/web`."""
        return self.wanted.resource

    @property
    def changed(self) -> bool:
        """Whether a run does anything."""
        return self.action != NONE

    def undo(self) -> list[Change | NoUndo]:
        """What leads back, in the order in which that goes; what was made goes as a whole."""
        if self.action == CREATE:
            return [Removed(self.resource, STATE, self.after.facts.get("state", PRESENT))]
        return [change.undo() for change in reversed(self.changes) if change.counts]
