"""The one planner, by a kind that is made up: a lamp with a colour, a brightness and its bulbs.

What is here is all that a kind costs whose trees are edited by its table alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.changes import (
    LIVE,
    RESTART,
    STORED,
    Change,
    Lost,
    Restarted,
)
from ansible_collections.kvm.fleet.plugins.module_utils.engine.codecs import (
    boolean,
    choice,
    integer,
)
from ansible_collections.kvm.fleet.plugins.module_utils.engine.comparing import EffectOf
from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import (
    FleetError,
    FleetErrors,
    Mistakes,
)
from ansible_collections.kvm.fleet.plugins.module_utils.engine.fields import (
    Field,
    Items,
    Rows,
)
from ansible_collections.kvm.fleet.plugins.module_utils.engine.keys import named
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import Have, Plan, Wanted
from ansible_collections.kvm.fleet.plugins.module_utils.engine.planner import (
    Draft,
    Removal,
    plan_resource,
)
from ansible_collections.kvm.fleet.plugins.module_utils.engine.specs import want_of
from ansible_collections.kvm.fleet.plugins.module_utils.engine.steps import Steps, steps_of
from ansible_collections.kvm.fleet.plugins.module_utils.engine.traits import (
    OF_WHAT_RUNS,
    spec_of,
)
from ansible_collections.kvm.fleet.plugins.module_utils.engine.world import World

ROWS: Rows = (
    Field("colour", "colour", choice("red", "green", unset="white")),
    Field("brightness", "brightness/@percent", integer(0, 100)),
    Field("protected", "@protected", boolean(unset=False)),
    Items(
        "bulbs",
        "bulb",
        (Field("watts", "@watts", integer(1)),),
        lambda bulb: bulb.get("name"),
        lambda name: xmltree.Element("bulb", {"name": name}),
    ),
)


class Heat(Lost):
    """What it gives beside its light."""


def heat(draft: Lamp) -> Iterable[Change]:
    yield Heat(draft.wanted.resource, ("heat",), "warm")


def room(draft: Lamp) -> None:
    if draft.world.assume_missing:
        draft.warnings.append("leaves the room dark")


class Lamp(Draft):
    rows = ROWS
    traits = OF_WHAT_RUNS
    ours = (("protected",),)
    removal = Removal(("protected",), room, goes_with=(heat,))

    def new(self) -> xmltree.Element:
        return xmltree.Element("lamp")

    def check(self) -> None:
        if (self.after[("brightness",)] or 0) > 90 and self.after[("colour",)] == "red":
            self.mistakes.add("is too bright for red", "brightness")

    def effects(self) -> EffectOf:
        return lambda key, *_: LIVE if key == ("brightness",) else RESTART

    def restarted(self, pending: Sequence[Change], _changes: Sequence[Change]) -> list[Change]:
        fields = ", ".join(named(one.field) for one in pending)
        return [Restarted(self.wanted.resource, ("state",), "active", note=fields)]


def lamp(text: str, live: str = "", **facts: Any) -> Have:
    trees = [xmltree.parse(one) if one else None for one in (text, live)]
    state = {"state": "active" if live else "inactive", "autostart": False, "persistent": True}
    return Have("lamp", "desk", *trees, {**state, **facts})


def planned(have: Have | None = None, state: str = "present", **given: Any) -> Plan:
    options = {name: given.pop(name, None) for name in ("autostart", "apply")}
    mistakes = Mistakes()
    wanted = Wanted("lamp", "desk", state, want_of(ROWS, given, mistakes), options)
    assert not mistakes.errors
    world = World(None, {}, assume_missing=True)  # type: ignore[arg-type]
    return plan_resource(Lamp(wanted, have or Have("lamp", "desk"), world))


def told(changes: Iterable[Change]) -> list[tuple[Any, ...]]:
    return [(named(c.field), c.before, c.after, c.effect) for c in changes]


# ---- what comes


def test_what_comes_is_shown_with_its_traits() -> None:
    plan = planned(state="active", colour="red", bulbs=[{"name": "a", "watts": 5}])
    assert plan.action == "create"
    assert told(plan.changes) == [
        ("colour", None, "red", STORED),
        ("bulbs.a", "absent", {"watts": 5}, STORED),
        ("autostart", None, True, STORED),
        ("state", "absent", "active", LIVE),
    ]
    assert plan.after.facts == {"state": "active", "autostart": True, "persistent": True}
    assert plan.after.live is plan.after.stored and not plan.pending


def test_what_is_not_asked_to_run_does_not_start_with_its_host() -> None:
    plan = planned(colour="red")
    assert told(plan.changes)[1:] == [
        ("autostart", None, False, STORED),
        ("state", "absent", "inactive", LIVE),
    ]
    assert plan.after.live is None


# ---- what changes


RED = "<lamp><colour>red</colour><brightness percent='10'/></lamp>"
GREEN = "<lamp><colour>green</colour><brightness percent='10'/></lamp>"


def test_nothing_is_done_or_edited_where_all_is_as_declared() -> None:
    have = lamp(RED, RED)
    plan = planned(have, colour="red", brightness=10)
    assert (plan.action, plan.changes, plan.pending) == ("none", (), ())
    assert plan.after.stored is have.stored and plan.after.live is have.live


@pytest.mark.parametrize(
    ("live", "effect", "pending"), [(RED, RESTART, ["colour"]), ("", STORED, [])]
)
def test_what_cannot_be_had_at_once_waits(live: str, effect: str, pending: list[str]) -> None:
    plan = planned(lamp(RED, live), colour="green")
    assert told(plan.changes) == [("colour", "red", "green", effect)]
    assert [named(one.field) for one in plan.pending] == pending


def test_what_takes_effect_now_waits_for_nothing() -> None:
    plan = planned(lamp(RED, RED), brightness=50)
    assert told(plan.changes) == [("brightness", 10, 50, LIVE)]
    assert not plan.pending
    assert xmltree.get(plan.after.running, "brightness/@percent") == "50"


def test_what_others_stored_waits_too_and_is_no_change() -> None:
    plan = planned(lamp(GREEN, RED), brightness=10)
    assert plan.action == "none"
    assert told(plan.pending) == [("colour", "red", "green", RESTART)]


@pytest.mark.parametrize("apply", ["live", "restart"])
def test_a_restart_takes_up_all_that_waits(apply: str) -> None:
    plan = planned(lamp(GREEN, RED), apply=apply)
    restarts = [("state", "active", "restarted", RESTART)] if apply == "restart" else []
    assert told(plan.changes) == restarts
    assert bool(plan.pending) is not bool(restarts)
    assert (plan.after.live is plan.after.stored) is bool(restarts)


def test_nothing_waits_of_what_stops() -> None:
    plan = planned(lamp(GREEN, RED), state="inactive", brightness=20)
    assert told(plan.changes) == [
        ("brightness", 10, 20, STORED),
        ("state", "active", "inactive", LIVE),
    ]
    assert not plan.pending and plan.after.live is None


def test_nothing_waits_of_what_is_for_us_alone() -> None:
    plan = planned(lamp(RED, RED), protected=True)
    assert told(plan.changes) == [("protected", False, True, STORED)]
    assert not plan.pending
    assert not planned(plan.after, protected=True).changed


def test_traits_change_like_other_values() -> None:
    have = lamp(RED, RED, persistent=False)
    assert told(planned(have, autostart=True, state="inactive").changes) == [
        ("persistent", False, True, STORED),
        ("autostart", False, True, STORED),
        ("state", "active", "inactive", LIVE),
    ]


def test_a_rule_ends_the_plan() -> None:
    with pytest.raises(FleetErrors, match="too bright for red"):
        planned(lamp(RED), brightness=91)


def test_planning_twice_finds_nothing_left() -> None:
    given = {"colour": "green", "bulbs": [{"name": "a"}], "autostart": True, "apply": "restart"}
    plan = planned(lamp(RED, RED), **given)
    assert plan.changed and not planned(plan.after, **given).changed


# ---- what goes


def test_a_removal_is_a_change_of_state_and_what_goes_with_it() -> None:
    plan = planned(lamp(RED, RED), state="absent")
    assert plan.action == "delete" and not plan.after.exists
    assert told(plan.changes) == [
        ("state", "active", "absent", LIVE),
        ("heat", "warm", "absent", STORED),
    ]
    assert plan.warnings == ("leaves the room dark",)


def test_what_is_not_there_does_not_go() -> None:
    assert planned(state="absent").action == "none"


def test_what_is_protected_stays() -> None:
    with pytest.raises(FleetError, match="is protected; set protected to false first"):
        planned(lamp("<lamp protected='yes'/>"), state="absent")


# ---- steps


@pytest.mark.parametrize(
    ("have", "given", "steps"),
    [
        (None, {"state": "active"}, ["define", "autostart", "start"]),
        (None, {}, ["define", "autostart"]),
        (lamp(RED, RED), {"brightness": 20}, ["define", "update"]),
        (lamp(RED, RED), {"colour": "green"}, ["define"]),
        (lamp(RED, RED), {"colour": "green", "apply": "restart"}, ["define", "stop", "start"]),
        (lamp(RED, RED), {"autostart": True, "state": "inactive"}, ["autostart", "stop"]),
        (lamp(RED), {"state": "active"}, ["start"]),
        (lamp(RED, RED, persistent=False), {}, ["define"]),
        (lamp(RED, RED), {"state": "absent"}, ["stop", "undefine"]),
        (lamp(RED, RED, persistent=False), {"state": "absent"}, ["stop"]),
    ],
)
def test_steps_follow_from_the_plan(
    have: Have | None, given: Mapping[str, Any], steps: list[str]
) -> None:
    assert steps_of(planned(have, **given), Steps(updates=True)) == steps


def test_the_way_up_and_what_is_beside_are_a_kinds_own() -> None:
    special = Steps(first=("warm",), beside={Heat: "cool"})
    plan = planned(state="active")
    warm = replace(plan, wanted=replace(plan.wanted, options={"warm": True}))
    assert steps_of(warm, special) == ["define", "autostart", "warm", "start"]
    assert steps_of(plan, special) == ["define", "autostart", "start"]
    assert steps_of(planned(lamp(RED), state="absent"), special) == ["cool", "undefine"]


# ---- options


def test_traits_have_options_as_rows_do() -> None:
    spec = spec_of(OF_WHAT_RUNS)
    assert spec["autostart"] == {"type": "bool"}
    assert spec["state"]["default"] == "active"
    assert "persistent" not in spec
