# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs have in common that make one plan by themselves: of a backup, of a disk that moves."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, ClassVar, Protocol, TypeVar

from ansible.module_utils import basic

from ..engine.errors import FleetError, FleetErrors
from ..engine.facts import Fact, Facts, Reads
from ..engine.plan import Plan
from ..engine.showing import diffs, results, summary
from ..engine.unknown import said
from ..host.connection import Host, Opener
from .opening import opened


class HasPlan(Protocol):
    """A dataclass of a plan, with what its run needs beside."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def plan(self) -> Plan:
        """What is done."""


P = TypeVar("P", bound=HasPlan)


def end_with(module: basic.AnsibleModule, outcome_of: Callable[[], dict[str, Any]]) -> None:
    """End the module with what a run returns, or with its errors."""
    try:
        outcome = outcome_of()
    except FleetErrors as errors:
        module.fail_json(msg=str(errors), errors=[str(error) for error in errors.errors])
    except FleetError as error:
        module.fail_json(msg=str(error), errors=[str(error)])
    for warning in outcome.pop("warnings"):
        module.warn(warning)
    module.exit_json(**outcome)


def outcome_of(
    module: basic.AnsibleModule,
    reads: Iterable[Reads],
    planned: Callable[[Host | None, Facts], P],
    shown: Callable[[P], dict[str, Any]],
    apply: Callable[[Host, P, Facts], dict[str, Any]],
    opening: Callable[[Opener, str], Any] | None = None,
) -> dict[str, Any]:
    """What a run returns: of its plan, of what that is about, and of what was done."""
    with opened(module, (), more=reads, opening=opening) as (host, facts):
        begun = planned(host, facts)
        check_expected(module, begun.plan, facts)
        outcome = {**report(begun.plan, facts, module.check_mode), **shown(begun)}
        if host is not None and not module.check_mode and begun.plan.changed:
            outcome.update(apply(host, begun, facts))
    return outcome


def made_of(plan: Plan, facts: Facts, asked: Iterable[Fact]) -> Plan:
    """The plan with the facts that it was made from, and what nobody could tell of them."""
    asked = frozenset(asked)
    unknown = tuple(said(fact for fact in facts.missing if fact in asked))
    return replace(plan, facts=asked, warnings=(*plan.warnings, *unknown))


def check_expected(module: basic.AnsibleModule, plan: Plan, facts: Facts) -> None:
    """Refuse where the host is not as it was when the plan was made that is expected."""
    given = module.params["expect"]
    if given is not None:
        from .expecting import check

        check(given, [plan], facts)


def report(plan: Plan, facts: Facts, checks: bool) -> dict[str, Any]:
    """What every such module returns of its plan; in check mode also what binds it."""
    outcome = {
        "changed": plan.changed,
        "plan": results(plan.changes),
        "summary": summary([plan]),
        "diff": diffs([plan]),
        "warnings": [f"{plan.resource}: {warning}" for warning in plan.warnings],
    }
    return {**outcome, "made_from": _made_from(plan, facts)} if checks else outcome


def _made_from(plan: Plan, facts: Facts) -> dict[str, Any]:
    if not plan.changed:
        return {}
    from ..engine.binding import bound

    return {plan.resource: bound(plan, facts)}


def check_done(left: Plan) -> None:
    """Raise if there is anything left to be done after a run."""
    if left.changed:
        fields = ", ".join(row["field"] for row in results(left.changes))
        raise FleetError(f"did not converge: {fields} is left to be done; run again", left.resource)
