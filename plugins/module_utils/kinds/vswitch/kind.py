# SPDX-License-Identifier: GPL-3.0-or-later
"""The kind `vswitch`: virtual switches as libvirt networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ...engine import traits, xmltree
from ...engine.errors import Mistakes
from ...engine.mark import is_made_here
from ...engine.plan import Have, Plan, Wanted
from ...engine.planner import plan_resource
from ...engine.traits import GONE, OF_WHAT_RUNS
from ...engine.world import World
from . import reserved_nics, rules, table, tree

if TYPE_CHECKING:
    from ...engine.accounting import Books
    from ...engine.facts import Reads

OPTIONS: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    **traits.spec_of(OF_WHAT_RUNS),
    "apply": {"type": "str", "choices": ["live", "next_boot", "restart"], "default": "live"},
    "purge": {"type": "bool", "default": False},
    "confirm_timeout_s": {"type": "int"},
}


class Vswitch:
    """Virtual switches, as networks of libvirt."""

    name = "vswitch"

    @property
    def reads(self) -> Sequence[Reads]:
        """What its plans, and the rules about them, read of a host."""
        from .readers import FOR_PLANS

        return FOR_PLANS

    @property
    def books(self) -> Books:
        """What an edit may change, and as what the plan shows it."""
        from .books import BOOKS

        return BOOKS

    def spec(self) -> dict[str, Any]:
        """The argument spec of one vswitch."""
        return {**OPTIONS, **table.spec()}

    def parse(self, params: Mapping[str, Any]) -> list[Wanted]:
        """The vswitch that is declared."""
        name, state = params["name"], params["state"]
        mistakes = Mistakes(f"{self.name}/{name}")
        mistakes.extend(rules.check_name(name))
        values = {} if state == GONE else table.want_of(params, mistakes)
        mistakes.extend(rules.check_declared(values))
        if mistakes.errors:  # else they wait for what is there, which may have them from others
            mistakes.extend(rules.check_addresses(values))
        options = {option: params[option] for option in ("autostart", "apply", "purge")}
        options["confirm_timeout_s"] = params.get("confirm_timeout_s")
        mistakes.extend(rules.check_timeout(options["confirm_timeout_s"]))
        mistakes.raise_any()
        options["lists"] = table.lists_given(params)
        options["nics"] = reserved_nics.given((params.get("dhcp") or {}).get("hosts") or ())
        return [Wanted(self.name, name, state, values, options)]

    def plan(self, wanted: Wanted, have: Have, world: World) -> Plan:
        """What is to be done about one vswitch."""
        from .draft import VswitchDraft

        return plan_resource(VswitchDraft(wanted, have, world))

    def apply(self, host: Any, plan: Plan) -> None:
        """Do what the plan says."""
        from .applier import apply
        from .steps import steps_of

        apply(host, plan, steps_of(plan))

    def result(self, have: Have) -> dict[str, Any]:
        """A vswitch with every option as it is stored, and its state."""
        if have.stored is None:
            return {"name": have.name, "state": GONE}
        from . import told

        uuid = xmltree.get(have.stored, "uuid")
        return {
            "name": have.name,
            "uuid": uuid,
            "managed": is_made_here(have.stored, tree.derived_uuid(have.name)),
            **told.beside(have.facts),
            **told.options(have.stored),
            **told.of_switch(have.facts),
        }


KIND = Vswitch()
