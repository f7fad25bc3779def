# SPDX-License-Identifier: GPL-3.0-or-later
"""What a kind of resource is to the engine, and the world that a plan is made for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from typing import TYPE_CHECKING, Any, Protocol

from .facts import Facts, Reads
from .host import HostFacts
from .plan import Have, Plan, Wanted

if TYPE_CHECKING:
    from .accounting import Books


class Kind(Protocol):
    """One kind of resource: how it is declared, read, planned, applied and shown."""

    name: str

    @property
    def reads(self) -> Sequence[Reads]:
        """What its plans, and the rules about them, read of a host."""

    @property
    def books(self) -> Books:
        """What an edit of its XML may change, and as what the plan shows it."""

    def spec(self) -> dict[str, Any]:
        """The argument spec of one declaration."""

    def parse(self, params: Mapping[str, Any]) -> list[Wanted]:
        """The declarations in a user's parameters. A VM's may bring volumes. Or FleetErrors."""

    def plan(self, wanted: Wanted, have: Have, world: World) -> Plan:
        """What is to be done about one declaration. Touches nothing. Or FleetErrors."""

    def apply(self, host: Any, plan: Plan) -> Mapping[str, Any] | None:
        """Do what the plan says, and what is to be told of that. FleetError if libvirt does not."""

    def result(self, have: Have) -> dict[str, Any]:
        """A resource as a module returns it."""


class World:
    """What the host will hold when the plans made so far are done: all that a planner is given.

    A plan that needs another resource (a disk its pool, a NIC its vswitch) asks here, and so sees
    what is declared in the same task though it does not exist yet.
    """

    def __init__(
        self,
        facts: Facts,
        kinds: Mapping[str, Kind],
        assume_missing: bool = False,
        assume_on_host: bool = False,
    ) -> None:
        self.facts = facts
        self.host = HostFacts(facts)
        self.kinds = kinds
        # In check mode of a single task, what is missing may be what an earlier task would make.
        self.assume_missing = assume_missing
        # In check mode of any, so may be what no resource is: files, images, bridges of the host.
        self.assume_on_host = assume_on_host
        # Whether a run sees what became of its plans: what comes next by itself is not yet due.
        self.verifies = False
        self.admission = ""  # what the task says of promises; nothing: what the host's policy says
        self.declared: Mapping[tuple[str, str], Wanted] = {}  # all declarations of this run
        self._after: dict[tuple[str, str], Have] = {}

    def lenient(self) -> World:
        """The same world, in which what is missing is no mistake of the one who needs it."""
        world = copy(self)
        world.assume_missing = True
        return world

    def will_be(self, kind: str, name: str) -> Have:
        """A resource as it will be, which is as it is where no plan is about it."""
        is_now = self.facts.resource(kind, name)
        return self._after.get((kind, name), is_now)

    def was(self, kind: str, name: str) -> Have:
        """A resource as it is before any of the plans is done."""
        return self.facts.resource(kind, name)

    def add(self, plan: Plan) -> None:
        """Reckon with a plan."""
        self._after[(plan.wanted.kind, plan.wanted.name)] = plan.after

    def planned(self, kind: str) -> list[Have]:
        """The resources of a kind that plans were made for, as they will be."""
        return [have for at, have in self._after.items() if at[0] == kind]

    def everything(self, kind: str) -> dict[str, Have]:
        """All resources of a kind as they will be, read in one batch (once)."""
        there = dict(self.facts.everything(kind))
        there.update({have.name: have for have in self.planned(kind)})
        return {name: have for name, have in there.items() if have.exists}

    def read(self, kind: str, names: Iterable[str]) -> dict[str, Have]:
        """Resources as they were when they were first asked for."""
        return self.facts.resources(kind, names)

    def dump(self) -> dict[str, Any]:
        """All that was asked of the host so far, as plain data without secrets."""
        from . import recording

        return recording.dump(self.facts.answers())

    @classmethod
    def load(cls, recorded: Any, kinds: Mapping[str, Kind]) -> World:
        """The world of what was dumped. FleetError if it is not as it was written."""
        from . import recording
        from .recorded import Recorded

        return cls(Facts(Recorded(recording.load(recorded))), kinds)

    def anew(self) -> World:
        """The same host as it is by now, for which no plans are made yet."""
        return World(self.facts.anew(), self.kinds)
