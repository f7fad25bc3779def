# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a kind of resource is to the engine, and the world that a plan is made for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import copy
from typing import TYPE_CHECKING, Any, Protocol

from ..host.connection import Host
from ..kinds.vm.reader import read_domains
from .plan import Have, Plan, Wanted

if TYPE_CHECKING:
    from .accounting import Books


class Kind(Protocol):
    """One kind of resource: how it is declared, read, planned, applied and shown."""

    name: str

    @property
    def books(self) -> Books:
        """What an edit of its XML may change, and as what the plan shows it."""

    def spec(self) -> dict[str, Any]:
        """The argument spec of one declaration."""

    def parse(self, params: Mapping[str, Any]) -> list[Wanted]:
        """The declarations in a user's parameters. A VM's may bring volumes. Or FleetErrors."""

    def read(self, host: Host, names: Iterable[str] | None) -> dict[str, Have]:
        """The named resources (None: all there are) as they are; those that are not there too."""

    def plan(self, wanted: Wanted, have: Have, world: World) -> Plan:
        """What is to be done about one declaration. Touches nothing. Or FleetErrors."""

    def apply(self, host: Host, plan: Plan) -> None:
        """Do what the plan says. FleetError if libvirt does not."""

    def result(self, have: Have) -> dict[str, Any]:
        """A resource as a module returns it."""


class World:
    """What the host will hold when the plans made so far are done.

    A plan that needs another resource (a disk its pool, a NIC its vswitch) asks here, and so sees
    what is declared in the same task though it does not exist yet.
    """

    def __init__(
        self,
        host: Host,
        kinds: Mapping[str, Kind],
        assume_missing: bool = False,
        assume_on_host: bool = False,
    ) -> None:
        self.host = host
        self.kinds = kinds
        # In check mode of a single task, what is missing may be what an earlier task would make.
        self.assume_missing = assume_missing
        # In check mode of any, so may be what no resource is: files, images, bridges of the host.
        self.assume_on_host = assume_on_host
        self.declared: Mapping[tuple[str, str], Wanted] = {}  # all declarations of this run
        self._plans: set[tuple[str, str]] = set()
        self._after: dict[tuple[str, str], Have] = {}
        self._before: dict[tuple[str, str], Have] = {}

    def lenient(self) -> World:
        """The same world, in which what is missing is no mistake of the one who needs it."""
        world = copy(self)
        world.assume_missing = True
        return world

    def will_be(self, kind: str, name: str) -> Have:
        """A resource as it will be; read from the host once where no plan is about it."""
        if (kind, name) not in self._after:
            self._after[(kind, name)] = self._read(kind, [name])[name]
        return self._after[(kind, name)]

    def was(self, kind: str, name: str) -> Have:
        """A resource as it is before any of the plans is done."""
        return self._before.get((kind, name)) or self.will_be(kind, name)

    def add(self, plan: Plan) -> None:
        """Reckon with a plan."""
        self._before[(plan.wanted.kind, plan.wanted.name)] = plan.have
        self._after[(plan.wanted.kind, plan.wanted.name)] = plan.after
        self._plans.add((plan.wanted.kind, plan.wanted.name))

    def planned(self, kind: str) -> list[Have]:
        """The resources of a kind that plans were made for, as they will be."""
        return [have for at, have in self._after.items() if at[0] == kind and at in self._plans]

    def everything(self, kind: str) -> dict[str, Have]:
        """All resources of a kind as they will be, read in one batch (once)."""
        if (kind, "") not in self._after:
            for name, have in self._read(kind, None).items():
                self._after.setdefault((kind, name), have)
            self._after[(kind, "")] = Have(kind, "")
        return {n: h for (k, n), h in self._after.items() if k == kind and n and h.exists}

    def _read(self, kind: str, names: list[str] | None) -> dict[str, Have]:
        """As the kind reads them. VMs are asked of also where the run is about none."""
        read = self.kinds[kind].read if kind in self.kinds or kind != "vm" else read_domains
        return read(self.host, names)
