# SPDX-License-Identifier: GPL-3.0-or-later
"""The runner: read, plan, apply, verify. The one place that knows of check mode and of failing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from ansible.module_utils import basic

from ..engine.errors import FleetError, FleetErrors
from ..engine.plan import Wanted
from ..engine.world import Kind, World
from ..host.connection import Host
from .done import Run
from .module import taken_params
from .opening import opened
from .planning import Rule, RulesOfChanges, plan_all
from .reporting import report

Parse = Callable[[Mapping[str, Any]], list[Wanted]]


def run(
    module: basic.AnsibleModule,
    kinds: Sequence[Kind],
    parse: Parse,
    shown: str = "",
    rules: Sequence[Rule] = (),
    rules_of_changes: RulesOfChanges = tuple,
    more: Callable[[World, list[Wanted]], list[Wanted]] | None = None,
) -> None:
    """Converge what `parse` makes of the parameters, and end the module.

    `shown` is the kind whose resource is returned as read back; without it there is a list of
    results. `rules` are asked always, those `of_changes` where a plan has any. `more` adds
    declarations that follow from what is on the host (pruning).
    """
    by_name = {kind.name: kind for kind in kinds}
    checks = module.check_mode
    try:
        wanted = parse(taken_params(module))
        with opened(module) as (host, facts):
            world = World(facts, by_name, checks and bool(shown), assume_on_host=checks)
            world.admission = module.params.get("admission") or ""
            everything = wanted + (more(world, wanted) if more else [])
            done = Run(plan_all(world, everything, rules, rules_of_changes))
            _check_expected(module.params["expect"], world, done)
            if host is not None and not checks:
                _apply(host, world, done)
            outcome = report(world, done, checks, shown)
            outcome["warnings"] += _faults(world, None if checks else host)
    except FleetErrors as errors:
        module.fail_json(msg=str(errors), errors=[str(error) for error in errors.errors])
    except FleetError as error:
        module.fail_json(msg=str(error), errors=[str(error)])
    for warning in outcome.pop("warnings"):
        module.warn(warning)
    if done.failed:
        if module.params["expect"] is not None:
            outcome["msg"] += "; what is expected was planned before this, so plan again first"
        module.fail_json(**outcome)
    module.exit_json(**outcome)


def _apply(host: Host, world: World, done: Run) -> None:
    if any(plan.changed for plan in done.plans):
        from .applying import apply_all

        apply_all(host, world, done)


def _faults(world: World, host: Host | None) -> list[str]:
    """What went wrong with libvirt's hook since it was last told; told once where that counts."""
    told = world.host.faults if "vm" in world.kinds else []
    if told and host is not None:
        from ..host import noted
        from ..host.capacity import SYSTEM

        with suppress(OSError):  # without the right to strike them out they are told again
            noted.clear_faults(SYSTEM, told)
    return [f"libvirt's hook of this host had a fault: {one}" for one in told]


def _check_expected(given: Any, world: World, done: Run) -> None:
    """FleetErrors if a plan that is expected is not what would be done."""
    if given is not None:
        from .expecting import check

        check(given, done.plans, world.facts)
