# SPDX-License-Identifier: GPL-3.0-or-later
"""What is promised to a VM, alone: the same options, for a VM that is declared elsewhere.

It is the kind `vm` of which a user says no more than this, and which never makes one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ...engine.errors import FleetError
from ...engine.plan import NONE, Have, Plan, Wanted
from ...engine.world import World
from .kind import KIND as VM
from .kind import Vm

NAME = "vm"  # the option that names it, and what it is
# The options, as far as one has others in it those of them.
TAKEN: Mapping[str, tuple[str, ...]] = {
    "cpu": ("reservation", "limit", "shares", "dedicated", "pinning"),
    "memory": ("reservation", "limit", "locked", "ksm", "huge_pages"),
    "numa": ("placement",),
    "resource_pool": (),
    "apply": (),
    "shutdown": (),
}


class Reservation(Vm):
    """A VM of which only what it is promised is declared. All else of it is a VM's."""

    def spec(self) -> dict[str, Any]:
        """The name of the VM, and what of its options is taken."""
        return {NAME: {"type": "str", "required": True}, **_taken(VM.spec())}

    def parse(self, params: Mapping[str, Any]) -> list[Wanted]:
        """As it would be of a declaration that says nothing else."""
        unsaid = {name: option.get("default") for name, option in VM.spec().items()}
        said = {name: params[name] for name in TAKEN}
        return VM.parse({**unsaid, **said, "name": params[NAME]})

    def plan(self, wanted: Wanted, have: Have, world: World) -> Plan:
        """The plan for a VM that is there."""
        if have.exists:
            return VM.plan(wanted, have, world)
        if world.assume_missing:
            warning = "does not exist yet; the plan assumes that it will"
            return replace(Plan(wanted, NONE, have, have), warnings=(warning,))
        raise FleetError(
            "does not exist; nothing can be promised to it before it is made, by kvm.fleet.vm or "
            "by others",
            wanted.resource,
            NAME,
        )


def _taken(spec: Mapping[str, Any]) -> dict[str, Any]:
    taken: dict[str, Any] = {}
    for name, inner in TAKEN.items():
        option = dict(spec[name])
        if inner:
            option["options"] = {part: option["options"][part] for part in inner}
        taken[name] = option
    return taken


KIND = Reservation()
