# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runner: read, plan, apply, verify. The one place that knows of check mode and of failing."""

from __future__ import annotations

import gc
import time
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible.module_utils import basic
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.kvm.fleet.plugins.module_utils import arguments, connection
from ansible_collections.kvm.fleet.plugins.module_utils.connection import Host, connect
from ansible_collections.kvm.fleet.plugins.module_utils.errors import (
    ConnectionLost,
    FleetError,
    FleetErrors,
    Mistakes,
)
from ansible_collections.kvm.fleet.plugins.module_utils.fields import ABSENT, named
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.base import Kind, World
from ansible_collections.kvm.fleet.plugins.module_utils.plan import (
    DELETE,
    Have,
    Plan,
    Wanted,
)
from ansible_collections.kvm.fleet.plugins.module_utils.references import names_of, uses_of
from ansible_collections.kvm.fleet.plugins.module_utils.showing import (
    diffs,
    names,
    results,
    summary,
    unfolded,
)

# What is made first; what goes, goes in the opposite order.
ORDER = ("storage_pool", "storage_volume", "vswitch", "vm")

# How long what was changed may take to be read back as planned (a guest answers when it can).
VERIFY_TIMEOUT_S = 15.0

URI_SPEC: dict[str, Any] = {"uri": {"type": "str", "default": "qemu:///system"}}

Parse = Callable[[Mapping[str, Any]], list[Wanted]]
Id = tuple[str, str]  # (kind, name)
Rule = Callable[[Sequence[Plan], World], Iterable[FleetError]]


@dataclass
class Run:
    """What came of one run."""

    plans: list[Plan]
    failed: dict[str, FleetError] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        return bool(self.done)


def create_module(spec: Mapping[str, Any]) -> basic.AnsibleModule:
    """The Ansible module for a spec; wrong arguments are reported all at once, not one by one."""
    # What a run makes it keeps to its end, some seconds later. To look through it for garbage again
    # and again is a tenth of the time for hundreds of VMs, and finds nothing.
    gc.disable()
    mistakes = _argument_mistakes(spec)  # AnsibleModule itself stops at the first
    if len(mistakes) > 1:
        _refuse(spec, mistakes)
    return basic.AnsibleModule(argument_spec=dict(spec), supports_check_mode=True)


def _argument_mistakes(spec: Mapping[str, Any]) -> list[str]:
    loaded = basic._load_params()
    if loaded is None:  # ansible-test's validate-modules has replaced the function
        return []
    given = {k: v for k, v in loaded.items() if not k.startswith("_ansible_")}
    return arguments.check(ArgumentSpecValidator(dict(spec)), given)[1]


def _refuse(spec: Mapping[str, Any], mistakes: Sequence[str]) -> None:
    """Fail through a module that takes anything, since the real one would stop at one mistake."""
    anything = {name: {"type": "raw"} for name in (*spec, *basic._load_params())}
    module = basic.AnsibleModule(argument_spec=anything, supports_check_mode=True)
    module.fail_json(msg="; ".join(mistakes), errors=list(mistakes))


def require_libvirt(module: basic.AnsibleModule) -> None:
    """Fail with what to install where libvirt's Python binding is missing."""
    if connection.IMPORT_ERROR is not None:
        module.fail_json(
            msg=basic.missing_required_lib("libvirt-python (python3-libvirt)"),
            exception="".join(traceback.format_exception_only(connection.IMPORT_ERROR)),
        )


def run(
    module: basic.AnsibleModule,
    kinds: Sequence[Kind],
    parse: Parse,
    shown: str = "",
    rules: Sequence[Rule] = (),
    more: Callable[[Host, list[Wanted]], list[Wanted]] | None = None,
) -> None:
    """Converge what `parse` makes of the parameters, and end the module.

    `shown` is the kind whose resource is returned as read back; without it there is a list of
    results. `more` adds declarations that follow from what is on the host (pruning).
    """
    require_libvirt(module)
    by_name = {kind.name: kind for kind in kinds}
    try:
        wanted = parse(module.params)
        with connect(module.params["uri"]) as host, host.errors("", "answer"):
            everything = wanted + (more(host, wanted) if more else [])
            world = World(host, by_name, assume_missing=module.check_mode and bool(shown))
            done = Run(plan_all(world, everything, rules))
            if not module.check_mode:
                apply_all(world, done)
            outcome = report(world, done, module.check_mode, shown)
    except FleetErrors as errors:
        module.fail_json(msg=str(errors), errors=[str(error) for error in errors.errors])
    except FleetError as error:
        module.fail_json(msg=str(error), errors=[str(error)])
    for warning in outcome.pop("warnings"):
        module.warn(warning)
    if done.failed:
        module.fail_json(**outcome)
    module.exit_json(**outcome)


# ---- plan


def plan_all(world: World, wanted: Sequence[Wanted], rules: Sequence[Rule] = ()) -> list[Plan]:
    """The plans for all declarations, in the order in which they are to be applied."""
    mistakes = Mistakes()
    _refuse_twins(wanted, mistakes)
    world.declared = {(one.kind, one.name): one for one in wanted}
    haves = _read(world, wanted)
    plans = []
    mistaken: set[Id] = set()
    for one in _ordered(wanted, haves):
        seen = world.lenient() if one.needs & mistaken else world
        try:
            plan = world.kinds[one.kind].plan(one, haves[(one.kind, one.name)], seen)
        except (FleetErrors, FleetError) as error:
            mistaken.add((one.kind, one.name))
            found = error.errors if isinstance(error, FleetErrors) else [error]
            mistakes.extend(mistake.within(one.resource) for mistake in found)
        else:
            world.add(plan)
            plans.append(plan)
    if not mistakes.errors:
        for rule in rules:
            mistakes.extend(rule(plans, world))
    mistakes.raise_any()
    return plans


def _refuse_twins(wanted: Sequence[Wanted], mistakes: Mistakes) -> None:
    seen: set[str] = set()
    for one in wanted:
        if one.resource in seen:
            mistakes.add("is declared twice; keep one declaration", resource=one.resource)
        seen.add(one.resource)


def _read(world: World, wanted: Sequence[Wanted]) -> dict[Id, Have]:
    haves = {}
    for name in ORDER:
        names = [one.name for one in wanted if one.kind == name]
        if names:
            for key, have in world.kinds[name].read(world.host, names).items():
                haves[(name, key)] = have
    return haves


def _ordered(wanted: Sequence[Wanted], haves: Mapping[Id, Have]) -> list[Wanted]:
    """VMs that go, then what comes or stays in the order of ORDER, then what else goes, backwards.

    So a volume goes after the VM that used it was changed or removed, and a clone before its image.
    """
    depth = _depths(wanted, haves)

    def place(one: Wanted) -> tuple[int, int, int]:
        rank = ORDER.index(one.kind)
        if one.state == ABSENT:
            return (0 if one.kind == "vm" else 2, -rank, -depth[(one.kind, one.name)])
        return 1, rank, depth[(one.kind, one.name)]

    return sorted(wanted, key=place)


def _depths(wanted: Sequence[Wanted], haves: Mapping[Id, Have]) -> dict[Id, int]:
    """How many declarations of its own kind stand before each (a clone comes after its image)."""
    by_id = {(one.kind, one.name): one for one in wanted}
    called = {name: at for at in by_id for name in names_of(haves[at])}
    depths: dict[Id, int] = {}

    def depth(at: Id, above: frozenset[Id]) -> int:
        if at in above:
            chain = " and ".join(sorted(f"{kind}/{name}" for kind, name in above))
            raise FleetError(f"need each other: {chain}", "/".join(at))
        if at not in depths:
            goes = by_id[at].state == ABSENT  # and says nothing of what it stands on
            needs = {called.get(r, r) for r in uses_of(haves[at])} if goes else by_id[at].needs
            needed = [n for n in needs if n in by_id and n[0] == at[0]]
            depths[at] = 1 + max((depth(n, above | {at}) for n in needed), default=0)
        return depths[at]

    for at in by_id:
        depth(at, frozenset())
    return depths


# ---- apply and verify


def apply_all(world: World, done: Run) -> None:
    """Apply every plan; what fails stops only what needs it. Then see that all is as planned."""
    for plan in done.plans:
        if plan.changed:
            _apply(world, done, plan)
    _verify(world, done)


def _apply(world: World, done: Run, plan: Plan) -> None:
    try:
        _check_not_blocked(done, plan)
        with world.host.errors(plan.resource, f"{plan.action} it"):
            world.kinds[plan.wanted.kind].apply(world.host, plan)
        done.done.append(plan.resource)
    except FleetError as error:
        done.failed[plan.resource] = error.within(plan.resource)


def _check_not_blocked(done: Run, plan: Plan) -> None:
    """Raise if something failed that the plan counts on."""
    if any(isinstance(error, ConnectionLost) for error in done.failed.values()):
        raise FleetError("was not touched, the connection to libvirt was lost", plan.resource)
    for failed in (other for other in done.plans if other.resource in done.failed):
        if (failed.wanted.kind, failed.wanted.name) in plan.wanted.needs:
            why = f"it needs {failed.resource}, which failed"
        elif plan.action == DELETE and uses_of(failed.have) & names_of(plan.have):
            why = f"{failed.resource} uses it and could not be changed"
        else:
            continue
        raise FleetError(f"was not touched, {why}", plan.resource)


def _verify(world: World, done: Run) -> None:
    """Plan again: nothing may be left to do. Retried, since guests take their time."""
    left = [plan for plan in done.plans if plan.resource in done.done]
    deadline = time.monotonic() + VERIFY_TIMEOUT_S
    while left:
        try:
            with world.host.errors("", "read back what was changed"):
                again = plan_all(_fresh(world), [plan.wanted for plan in left])
        except (FleetErrors, FleetError) as error:
            done.failed[left[0].resource] = FleetError(f"cannot be verified: {error}")
            return
        open_plans = [plan for plan in again if plan.changed]
        if not open_plans or time.monotonic() > deadline:
            break
        left = [plan for plan in left if plan.resource in {p.resource for p in open_plans}]
        time.sleep(0.3)
    else:
        return
    for plan in open_plans:
        done.failed[plan.resource] = _not_converged(plan)


def _fresh(world: World) -> World:
    return World(world.host, world.kinds)


def _not_converged(plan: Plan) -> FleetError:
    fields = "; ".join(
        f"{named(c.field)} is {c.before if c.live is None else c.live!r}, should be {c.after!r}"
        for c in unfolded(plan.changes)
    )
    return FleetError(f"did not converge: {fields}", plan.resource)


# ---- report


def report(world: World, done: Run, check: bool, shown: str) -> dict[str, Any]:
    """What the module returns."""
    plans = [plan for plan in done.plans if plan.changed]
    outcome: dict[str, Any] = {
        "changed": bool(plans) if check else done.changed,
        "plan": [row for plan in plans for row in results(plan.changes)],
        "summary": summary(done.plans),
        "diff": diffs(done.plans),
        "pending_restart": [row for plan in done.plans for row in results(plan.pending)],
        "warnings": [f"{p.resource}: {warning}" for p in done.plans for warning in p.warnings],
    }
    if done.failed:
        outcome["errors"] = [str(error) for error in done.failed.values()]
        outcome["msg"] = "; ".join(outcome["errors"])
    if shown:
        outcome[shown] = _shown(world, done, check, shown)
    else:
        outcome["results"] = [_result(plan, done) for plan in done.plans]
    return outcome


def _shown(world: World, done: Run, check: bool, kind: str) -> dict[str, Any]:
    main = next(plan for plan in done.plans if plan.wanted.kind == kind)
    have = main.after
    if not check and not done.failed:
        have = world.kinds[kind].read(world.host, [main.wanted.name])[main.wanted.name]
    return world.kinds[kind].result(have)


def _result(plan: Plan, done: Run) -> dict[str, Any]:
    """One item of a task that declares many."""
    error = done.failed.get(plan.resource)
    said: dict[str, Any] = {
        "resource": plan.resource,
        "action": plan.action,
        "changed": plan.changed and error is None,
    }
    if error is not None:
        said["error"] = str(error)
    if plan.pending:
        said["pending_restart"] = names(plan.pending)
    return said
