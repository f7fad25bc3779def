# SPDX-License-Identifier: GPL-3.0-or-later
"""The runner: read, plan, apply, verify. The one place that knows of check mode and of failing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from ansible.module_utils import basic

from ..engine.errors import FleetError, FleetErrors
from ..engine.plan import Wanted
from ..engine.world import Kind, World
from ..host.connection import Host
from .done import Run
from .module import taken_params
from .opening import opened
from .planning import Promising, Rule, RulesOfChanges, plan_all
from .reporting import groups, report

Parse = Callable[[Mapping[str, Any]], list[Wanted]]
Completed = Callable[[World, Sequence[Wanted]], list[Wanted]]  # `templates.completed`
Waiting = Callable[[Any, Run], AbstractContextManager[None]]  # `waiting.waiting`


def run(
    module: basic.AnsibleModule,
    kinds: Sequence[Kind],
    parse: Parse,
    shown: str = "",
    rules: Sequence[Rule] = (),
    rules_of_changes: RulesOfChanges = tuple,
    more: Callable[[World, list[Wanted]], list[Wanted]] | None = None,
    promising: Callable[[], Promising] | None = None,
    waiting: Callable[[], Waiting] | None = None,
    completed: Completed | None = None,
) -> None:
    """Converge what `parse` makes of the parameters, and end the module.

    `shown` is the kind whose resource is returned as read back; without it there is a list of
    results. `rules` are asked always, those `of_changes` where a plan has any. `more` adds
    declarations that follow from what is there, `completed` to them what templates have.
    `promising` imports what is heeded where the host may promise more, `waiting` what waits.
    """
    by_name = {kind.name: kind for kind in kinds}
    checks = module.check_mode
    try:
        wanted = parse(taken_params(module))
        with opened(module, kinds) as (host, facts):
            world = World(facts, by_name, checks and bool(shown), assume_on_host=checks)
            world.admission = module.params.get("admission") or ""
            wanted = _all(world, wanted + (more(world, wanted) if more else []), completed)
            done = Run(plan_all(world, wanted, rules, rules_of_changes))
            _check_expected(module.params["expect"], world, done)
            with _waits(None if checks else host, done, waiting):
                if host is not None and not checks:
                    _apply(host, world, done, promising)
            outcome = report(world, done, checks, shown)
            outcome.update(groups(module.params.get("vm_groups"), done.plans))
            outcome["warnings"] += _faults(world, promising, checks)
    except FleetErrors as errors:
        module.fail_json(msg=str(errors), errors=[str(error) for error in errors.errors])
    except FleetError as error:
        module.fail_json(msg=str(error), errors=[str(error)])
    _end(module, outcome, done)


def _all(world: World, wanted: list[Wanted], completed: Completed | None) -> list[Wanted]:
    return completed(world, wanted) if completed else wanted


def _end(module: basic.AnsibleModule, outcome: dict[str, Any], done: Run) -> None:
    begun = (plan for plan in done.plans if plan.resource in done.begun)
    if any(change.guards for plan in begun for change in plan.changes):
        _hand_over(done, outcome)
    for warning in outcome.pop("warnings"):
        module.warn(warning)
    if done.failed:
        if module.params["expect"] is not None:
            outcome["msg"] += "; what is expected was planned before this, so plan again first"
        module.fail_json(**outcome)
    module.exit_json(**outcome)


def _apply(host: Host, world: World, done: Run, promising: Callable[[], Promising] | None) -> None:
    if any(plan.changed for plan in done.plans):
        from .applying import apply_all

        apply_all(host, world, done, promising().in_turn if promising else _at_once)


def _hand_over(done: Run, outcome: dict[str, Any]) -> None:
    """What is guarded is for the controller to confirm, or is set back at once where it failed."""
    from .guarding import hand_over

    hand_over(done, outcome)


def _waits(
    host: Host | None, done: Run, waiting: Callable[[], Waiting] | None
) -> AbstractContextManager[None]:
    """Waits for guests when all is done, as far as any are waited for."""
    asks = any(plan.wanted.options.get("wait_for") for plan in done.plans)
    return waiting()(host, done) if waiting is not None and asks else _at_once()


@contextmanager
def _at_once(*_of: Any) -> Iterator[None]:
    """Nobody waits for those who promise nothing."""
    yield


def _faults(world: World, promising: Callable[[], Promising] | None, checks: bool) -> list[str]:
    """What went wrong with libvirt's hook since it was last told; told once where that counts."""
    told = world.host.faults if promising is not None and "vm" in world.kinds else []
    if told and promising is not None and not checks:
        promising().clear_faults(told)
    return [f"libvirt's hook of this host had a fault: {one}" for one in told]


def _check_expected(given: Any, world: World, done: Run) -> None:
    """FleetErrors if a plan that is expected is not what would be done."""
    if given is not None:
        from .expecting import check

        check(given, done.plans, world.facts)
