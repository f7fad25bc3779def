# SPDX-License-Identifier: GPL-3.0-or-later
"""The kind `secret`: what libvirt keeps for those who need a password, and shows to nobody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ...engine import traits
from ...engine.errors import Mistakes
from ...engine.keys import ABSENT
from ...engine.plan import Have, Plan, Wanted
from ...engine.planner import plan_resource
from ...engine.specs import spec_of, want_of
from ...engine.world import World
from . import rules
from .table import ROWS, TRAITS, TYPES, name_of

if TYPE_CHECKING:
    from ...engine.accounting import Books
    from ...engine.facts import Reads


class Secret:
    """Secrets, each known by its type and its name: `iscsi/array-chap`."""

    name = "secret"

    @property
    def reads(self) -> Sequence[Reads]:
        """What its plans, and the rules about them, read of a host."""
        from .readers import FOR_PLANS

        return FOR_PLANS

    @property
    def books(self) -> Books:
        """What an edit may change, and as what the plan shows it."""
        from ...engine.accounting import Books, Part

        return Books(lambda secret: [Part(ROWS, secret)])

    def spec(self) -> dict[str, Any]:
        """The argument spec of one secret."""
        return {
            "name": {"type": "str", "required": True},
            **traits.spec_of(TRAITS),
            **spec_of(ROWS),
            "type": {"type": "str", "required": True, "choices": list(TYPES)},
            "encoding": {"type": "str", "choices": list(rules.ENCODINGS)},
            "update_value": {
                "type": "str",
                "choices": list(rules.UPDATES),
                "default": rules.ON_CHANGE,
            },
        }

    def parse(self, params: Mapping[str, Any]) -> list[Wanted]:
        """The secret that a user declared."""
        name = name_of(params["type"], params["name"])
        mistakes = Mistakes(f"{self.name}/{name}")
        rules.check_name(params["type"], params["name"], mistakes)
        values = {}
        if params["state"] != ABSENT:
            values = want_of(ROWS, rules.with_octets(params, mistakes), mistakes)
        mistakes.raise_any()
        options = {"update_value": params.get("update_value") or rules.ON_CHANGE}
        return [Wanted(self.name, name, params["state"], values, options)]

    def plan(self, wanted: Wanted, have: Have, world: World) -> Plan:
        """What is to be done about one secret."""
        from .draft import SecretDraft

        return plan_resource(SecretDraft(wanted, have, world))

    def apply(self, host: Any, plan: Plan) -> None:
        """Do what the plan says."""
        from .applier import apply_secret
        from .steps import steps_of

        apply_secret(host, plan, steps_of(plan))

    def result(self, have: Have) -> dict[str, Any]:
        """A secret as a module returns it."""
        from .told import shown

        return shown(have)


KIND = Secret()
