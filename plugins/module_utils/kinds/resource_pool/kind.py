# SPDX-License-Identifier: GPL-3.0-or-later
"""The kind `resource_pool`: slices of systemd that VMs are in together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ...engine import traits
from ...engine.errors import FleetError, Mistakes
from ...engine.keys import ABSENT
from ...engine.plan import Have, Plan, Wanted
from ...engine.planner import plan_resource
from ...engine.specs import spec_of, want_of
from ...engine.world import World
from . import rules
from .table import ROWS, TRAITS

if TYPE_CHECKING:
    from ...engine.accounting import Books
    from ...engine.facts import Reads


class ResourcePool:
    """Resource pools, each known by its path: `gold/inner` is in `gold`."""

    name = "resource_pool"

    @property
    def reads(self) -> Sequence[Reads]:
        """What its plans, and the rules about them, read of a host."""
        from .readers import FOR_PLANS

        return FOR_PLANS

    @property
    def books(self) -> Books:
        """What an edit may change, and as what the plan shows it."""
        from ...engine.accounting import Books, Part

        return Books(lambda unit: [Part(ROWS, unit)])

    def spec(self) -> dict[str, Any]:
        """The argument spec of one pool."""
        return {
            "name": {"type": "str", "required": True},
            "parent": {"type": "str", "default": ""},
            **traits.spec_of(TRAITS),
            **spec_of(ROWS),
        }

    def parse(self, params: Mapping[str, Any]) -> list[Wanted]:
        """The pool that a user declared."""
        name, parent = params["name"], params["parent"].strip("/")
        path = f"{parent}/{name}" if parent else name
        mistakes = Mistakes(f"{self.name}/{path}")
        rules.check_name(name, parent, mistakes)
        values = {} if params["state"] == ABSENT else want_of(ROWS, params, mistakes)
        mistakes.raise_any()
        needs = frozenset({(self.name, parent)} if parent else ())
        return [Wanted(self.name, path, params["state"], values, needs=needs)]

    def plan(self, wanted: Wanted, have: Have, world: World) -> Plan:
        """What is to be done about one pool."""
        why = rules.why_not_here(world.host)
        if not why and wanted.state != ABSENT:
            why = rules.why_no_slices(world.host)
        if why:
            raise FleetError(why, wanted.resource)
        from .draft import PoolDraft

        return plan_resource(PoolDraft(wanted, have, world))

    def apply(self, host: Any, plan: Plan) -> None:
        """Do what the plan says."""
        from .applier import apply_pool

        apply_pool(plan)

    def result(self, have: Have) -> dict[str, Any]:
        """A pool as a module returns it."""
        from .told import shown

        return shown(have)


KIND = ResourcePool()
