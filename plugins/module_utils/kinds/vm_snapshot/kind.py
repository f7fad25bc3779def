# SPDX-License-Identifier: GPL-3.0-or-later
"""The kind `vm_snapshot`: a state of a VM's disks, or of the whole VM, to which it can go back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ...engine.codecs import Value
from ...engine.errors import FleetError, Mistakes
from ...engine.keys import ABSENT, PRESENT
from ...engine.plan import NONE, Have, Plan, Wanted
from ...engine.world import World
from ..vm.snapshots import DESCRIPTION
from . import names

if TYPE_CHECKING:
    from ...engine.accounting import Books
    from ...engine.facts import Reads

REVERTED = "reverted"
STATES = (str(PRESENT), str(ABSENT), REVERTED)
QUIESCES = ("auto", "true", "false")
ROWS = (DESCRIPTION,)


class VmSnapshot:
    """Snapshots, each known by its VM and its name: `web/before-upgrade`."""

    name = "vm_snapshot"

    @property
    def reads(self) -> Sequence[Reads]:
        """What its plans read of a host."""
        from .readers import FOR_PLANS

        return FOR_PLANS

    @property
    def books(self) -> Books:
        """What an edit may change, and as what the plan shows it."""
        from ...engine.accounting import Books, Part

        return Books(lambda record: [Part(ROWS, record)])

    def spec(self) -> dict[str, Any]:
        """The argument spec of one snapshot."""
        text = {"type": "str"}
        return {
            "vm": {"type": "str", "required": True},
            "name": {"type": "str", "required": True},
            "state": {**text, "choices": list(STATES), "default": str(PRESENT)},
            "description": text,
            "memory": {"type": "bool", "default": False},
            "disks": {"type": "list", "elements": "str"},
            "quiesce": {**text, "choices": list(QUIESCES), "default": "auto"},
            "format": {**text, "choices": ["auto", "external", "internal"], "default": "auto"},
            "folder": {"type": "path"},
        }

    def parse(self, params: Mapping[str, Any]) -> list[Wanted]:
        """The snapshot that a user declared."""
        vm, name = params["vm"], params["name"]
        mistakes = Mistakes(f"{self.name}/{names.name_of(vm, name)}")
        names.check_name(name, mistakes)
        if "/" in vm or not vm:
            mistakes.add(f"{vm!r} is no name of a VM", "vm")
        if params["disks"] is not None and not params["disks"]:
            mistakes.add("is empty; omit it for all that are written to", "disks")
        if params["folder"] and not params["folder"].startswith("/"):
            mistakes.add("is no absolute path", "folder")
        said = ("description", "memory", "disks", "quiesce", "format", "folder")
        options = {option: params[option] for option in said}
        options["description"] = _described(params["description"], mistakes)
        mistakes.raise_any()
        full = names.name_of(vm, name)
        return [Wanted(self.name, full, params["state"], {}, options, frozenset({("vm", vm)}))]

    def plan(self, wanted: Wanted, have: Have, world: World) -> Plan:
        """What is to be done about one snapshot. Touches nothing. Or FleetErrors."""
        from .case import Case

        case = Case(wanted, have, world)
        if not case.vm.exists and wanted.state != ABSENT:
            return _without_vm(case.vm_name, wanted, have, world)
        return _PLANNERS[wanted.state](case)

    def apply(self, host: Any, plan: Plan) -> None:
        """Do what the plan says."""
        from .applier import apply_snapshot

        apply_snapshot(host, plan)

    def result(self, have: Have) -> dict[str, Any]:
        """A snapshot as a module returns it."""
        from ..vm.snapshots import snapshot_in

        vm, name = names.parts_of(have.name)
        if have.stored is None:
            return {"vm": vm, "name": name, "exists": False}
        told = snapshot_in(have.stored, bool(have.facts.get("current")))
        return {"vm": vm, "exists": True, **told.result()}


def _described(given: str | None, mistakes: Mistakes) -> Value:
    """The description as it is kept, with the white space around it."""
    try:
        return None if given is None else DESCRIPTION.codec.parse(DESCRIPTION.as_kept(given))
    except ValueError as error:
        mistakes.add(str(error), DESCRIPTION.name)
        return None


def _without_vm(vm: str, wanted: Wanted, have: Have, world: World) -> Plan:
    if not world.assume_missing:
        raise FleetError(f"there is no VM {vm}", wanted.resource, "vm")
    warning = f"vm/{vm} does not exist yet; the plan assumes that it will"
    return replace(Plan(wanted, NONE, have, have), warnings=(warning,))


def _present(case: Any) -> Plan:
    from .present import planned

    return planned(case)


def _absent(case: Any) -> Plan:
    from .absent import planned

    return planned(case)


def _reverted(case: Any) -> Plan:
    from .reverted import planned

    return planned(case)


_PLANNERS = {str(PRESENT): _present, str(ABSENT): _absent, REVERTED: _reverted}
KIND = VmSnapshot()
