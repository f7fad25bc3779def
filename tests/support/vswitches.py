"""Plans of vswitches without a host, for unit tests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import Have, Plan
from ansible_collections.kvm.fleet.plugins.module_utils.engine.world import World
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.kind import KIND, Vswitch


class FarHost:
    """A host whose own interfaces and bridges are not to be seen."""

    is_local = False
    driver = "QEMU"


class Vswitches(Vswitch):
    """The kind on a host that has these vswitches, all of them inactive."""

    def __init__(self, there: Mapping[str, Have]) -> None:
        self.there = there

    def read(self, host: Any, names: Iterable[str] | None) -> dict[str, Have]:
        wanted = self.there if names is None else names
        return {name: self.there.get(name, Have("vswitch", name)) for name in wanted}


def planned(name: str, params: Mapping[str, Any], there: Mapping[str, Have]) -> Plan:
    """The plan for a declaration as the module makes it."""
    checked = ArgumentSpecValidator(KIND.spec()).validate({"name": name, **params})
    assert not checked.error_messages
    kind = Vswitches(there)
    [wanted] = kind.parse(checked.validated_parameters)
    world = World(FarHost(), {"vswitch": kind})
    return kind.plan(wanted, world.will_be("vswitch", name), world)


def existing(declared: Mapping[str, Mapping[str, Any]]) -> dict[str, Have]:
    """Vswitches that were declared before."""
    there: dict[str, Have] = {}
    for name, params in declared.items():
        there[name] = planned(name, {**params, "state": "inactive"}, there).after
    return there
