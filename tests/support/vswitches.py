"""Plans of vswitches without a host, for unit tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import Have, Plan
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.kind import KIND
from support import worlds


def planned(name: str, params: Mapping[str, Any], there: Mapping[str, Have]) -> Plan:
    """The plan for a declaration as the module makes it."""
    checked = ArgumentSpecValidator(KIND.spec()).validate({"name": name, **params})
    assert not checked.error_messages
    [wanted] = KIND.parse(checked.validated_parameters)
    world = worlds.world({"vswitch": there})
    return KIND.plan(wanted, world.will_be("vswitch", name), world)


def existing(declared: Mapping[str, Mapping[str, Any]]) -> dict[str, Have]:
    """Vswitches that were declared before."""
    there: dict[str, Have] = {}
    for name, params in declared.items():
        there[name] = planned(name, {**params, "state": "inactive"}, there).after
    return there
