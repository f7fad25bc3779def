"""Plans of declarations that are drawn: accounted for, done once, told again, and led back."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import event, given

from ansible_collections.kvm.fleet.plugins.module_utils.engine import recording, xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.changes import (
    Change,
    NoUndo,
    applied,
)
from ansible_collections.kvm.fleet.plugins.module_utils.engine.facts import Facts
from ansible_collections.kvm.fleet.plugins.module_utils.engine.keys import Key, Values, is_of_any
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import Have, Plan
from ansible_collections.kvm.fleet.plugins.module_utils.engine.recorded import Recorded
from ansible_collections.kvm.fleet.plugins.module_utils.engine.showing import diffs, results
from ansible_collections.kvm.fleet.plugins.module_utils.engine.world import World
from ansible_collections.kvm.fleet.plugins.module_utils.run.exporting import export
from support.declarations import HISTORIES, History
from support.neighbours import Site
from support.strategies import Params
from support.tables import VALUES

KINDS = pytest.mark.parametrize("kind", HISTORIES)
Holds = Callable[[Site, Params, list[Plan]], None]


def for_every_step(kind: str, holds: Holds) -> None:
    """What must hold of each declaration that is not refused, and of its plans."""

    @given(HISTORIES[kind])
    def of_history(history: History) -> None:
        site, planned = Site(kind), 0
        for params, plans in site.steps(history):
            planned += 1
            holds(site, params, plans)
        event(f"{len(history) - planned} of {len(history)} refused")

    of_history()


def shown(plans: list[Plan]) -> Any:
    """All that is shown of plans."""
    changes = [results(plan.changes) for plan in plans]
    return json.loads(json.dumps([changes, [plan.warnings for plan in plans], diffs(plans)]))


@KINDS
def test_a_second_plan_changes_nothing(kind: str) -> None:
    def holds(site: Site, params: Params, plans: list[Plan]) -> None:
        after = Site(kind, {name: dict(haves) for name, haves in site.there.items()})
        after.do(plans)
        again = after.plans(params)
        assert again, "what was declared is refused once it is so"
        assert [results(plan.changes) for plan in again] == [[] for _plan in again]

    for_every_step(kind, holds)


@KINDS
def test_what_is_told_changes_nothing(kind: str) -> None:
    def holds(site: Site, _params: Params, plans: list[Plan]) -> None:
        after = Site(kind, {name: dict(haves) for name, haves in site.there.items()})
        after.do(plans)
        if not plans[-1].pending:  # else it would be had at once, as far as that goes
            said = export(after.world(), "all").warnings
            left_out = ("its value is not exported", "has a secret in it, and is not declared")
            assert [one for one in said if not any(why in one for why in left_out)] == []

    for_every_step(kind, holds)


@KINDS
def test_a_recorded_world_has_the_same_plan(kind: str) -> None:
    def holds(site: Site, params: Params, plans: list[Plan]) -> None:
        world = site.world()
        assert shown(site.plans(params, world)) == shown(plans)
        text = json.dumps(recording.dump(world.facts.answers()))
        loaded = World(Facts(Recorded(recording.load(json.loads(text)))), world.kinds)
        assert shown(site.plans(params, loaded)) == shown(plans)

    for_every_step(kind, holds)


@KINDS
def test_undo_leads_back(kind: str) -> None:
    """Of what changed by itself: what goes along with an option goes back with it."""

    def holds(_site: Site, _params: Params, plans: list[Plan]) -> None:
        plan = plans[-1]
        back = plan.undo()
        final = {one.field for one in back if isinstance(one, NoUndo)}
        undone = [change.field for change in plan.changes if change.field not in final]
        changes = [one for one in back if isinstance(one, Change)]
        assert of(applied(values(plan.after), changes), undone) == of(values(plan.have), undone)

    def values(have: Have) -> Values:
        """What a table tells of a resource, and what is beside it."""
        tree = VALUES[kind](have.stored) if have.stored is not None else {}
        return {**tree, **{(fact,): value for fact, value in have.facts.items()}}

    def of(values: Values, undone: list[Key]) -> Values:
        return {k: v for k, v in values.items() if v is not None and is_of_any(k, undone)}

    for_every_step(kind, holds)


@KINDS
def test_planning_edits_nothing_that_is_there(kind: str) -> None:
    def holds(site: Site, params: Params, plans: list[Plan]) -> None:
        before = [xmltree.serialise(have.definition) for have in there(site)]
        site.plans(params)
        assert [xmltree.serialise(have.definition) for have in there(site)] == before

    def there(site: Site) -> list[Any]:
        return [have for haves in site.there.values() for have in haves.values() if have.exists]

    for_every_step(kind, holds)
