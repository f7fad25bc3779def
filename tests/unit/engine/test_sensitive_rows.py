"""A row that is sensitive, all the way from what a user writes to what a plan shows."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine import told, xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.changes import STORED
from ansible_collections.kvm.fleet.plugins.module_utils.engine.codecs import text
from ansible_collections.kvm.fleet.plugins.module_utils.engine.comparing import compare
from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import FleetErrors, Mistakes
from ansible_collections.kvm.fleet.plugins.module_utils.engine.fields import (
    Field,
    Items,
    Rows,
    Variant,
    edit,
    values_of,
)
from ansible_collections.kvm.fleet.plugins.module_utils.engine.hidden import HIDDEN, Sensitive
from ansible_collections.kvm.fleet.plugins.module_utils.engine.keys import Values
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import (
    CREATE,
    UPDATE,
    Have,
    Plan,
    Wanted,
)
from ansible_collections.kvm.fleet.plugins.module_utils.engine.showing import diff_of, results
from ansible_collections.kvm.fleet.plugins.module_utils.engine.specs import spec_of, want_of

WORD = text("[A-Z]+-?[0-9]?", "capitals")
ROWS: Rows = (
    Field("title", "title"),
    Field("screen.password", "screen/@passwd", WORD, sensitive=True),
    Items(
        "things",
        "thing",
        (
            Field("colour", "@colour"),
            Field("pin", "pin", sensitive=True),
            Variant(
                "source",
                "@type",
                {
                    "file": (Field("file", "source/@file"),),
                    "url": (
                        Field("url", "source/@url"),
                        Field("login", "source/@login", sensitive=True),
                    ),
                },
            ),
        ),
        name_of=lambda element: element.get("name"),
        new=lambda name: xmltree.Element("thing", {"name": name}),
    ),
)


def wanted(suffix: str = "") -> Values:
    mistakes = Mistakes()
    thing = {"name": "a", "pin": f"CANARY{suffix}", "url": "u", "login": f"CANARY{suffix}"}
    params = {"title": "t", "screen": {"password": f"CANARY{suffix}"}, "things": [thing]}
    want = want_of(ROWS, params, mistakes)
    mistakes.raise_any()
    return want


def planned(before: Values | None, want: Values) -> Plan:
    changes = compare("x/y", want, before or {}, None, lambda *_: (STORED, ""))
    action = CREATE if before is None else UPDATE
    have = Have("x", "y")
    return Plan(Wanted("x", "y", "present", want), action, have, have, tuple(changes))


def everything_of(plan: Plan) -> str:
    return json.dumps([results(plan.changes), diff_of(plan)]) + repr(plan)


def test_ansible_is_told_to_hide_it_too() -> None:
    spec = spec_of(ROWS)
    assert spec["screen"]["options"]["password"] == {"type": "str", "no_log": True}
    options = spec["things"]["options"]
    assert [name for name, said in options.items() if said.get("no_log")] == ["pin", "login"]


def test_it_is_stored_read_again_and_as_wanted() -> None:
    tree = xmltree.parse("<x/>")
    edit(ROWS, tree, wanted())
    assert xmltree.get(tree, "screen/@passwd") == "CANARY"
    assert xmltree.get(tree, "thing/pin") == xmltree.get(tree, "thing/source/@login") == "CANARY"
    have = values_of(ROWS, tree)
    assert not planned(have, wanted()).changes
    assert [change.field for change in planned(have, wanted("-2")).changes] == [
        ("screen", "password"),
        ("things", "a", "pin"),
        ("things", "a", "source"),
    ]
    edit(ROWS, tree, {("screen", "password"): ""})
    assert tree.find("screen") is None
    assert values_of(ROWS, tree)[("screen", "password")] == ""


def test_what_comes_is_shown_as_hidden() -> None:
    plan = planned(None, wanted())
    assert results(plan.changes)[-1]["after"] == {
        "pin": HIDDEN,
        "url": "u",
        "login": HIDDEN,
    }
    assert "password: (hidden)" in diff_of(plan)["after"].replace('"', "")
    assert "CANARY" not in everything_of(plan)


def test_a_change_is_shown_and_not_what_it_is() -> None:
    tree = xmltree.parse("<x/>")
    edit(ROWS, tree, wanted())
    plan = planned(values_of(ROWS, tree), wanted("-2"))
    said = [(row["field"], row["before"], row["after"]) for row in results(plan.changes)]
    assert said == [
        ("screen.password", "(hidden)", "(hidden, another)"),
        ("things.a.pin", "(hidden)", "(hidden, another)"),
        ("things.a.login", "(hidden)", "(hidden, another)"),
    ]
    shows = diff_of(plan)
    assert shows["before"] != shows["after"]
    assert "CANARY" not in everything_of(plan)


def test_what_is_told_of_a_resource_hides_it() -> None:
    tree = xmltree.parse("<x/>")
    edit(ROWS, tree, wanted())
    options = told.sayable(ROWS, values_of(ROWS, tree))
    assert "CANARY" not in json.dumps(list(options.values()))
    assert options[("screen", "password")] == Sensitive("CANARY")
    assert told.unmanaged(ROWS, tree, {}) == []


@pytest.mark.parametrize(
    "password", ["canary", "canary\n", "c", "(hidden)", "(hidden, another)", "CANARY\x01"]
)
def test_what_is_wrong_with_it_is_said_without_it(password: str) -> None:
    mistakes = Mistakes("x/y")
    want_of(ROWS, {"screen": {"password": password}}, mistakes)
    with pytest.raises(FleetErrors) as wrong:
        mistakes.raise_any()
    said = str(wrong.value)
    assert said.startswith("x/y screen.password: ")
    assert "canary" not in said.lower()


def test_a_mistake_says_what_the_option_takes_where_it_can() -> None:
    mistakes = Mistakes()
    want_of(ROWS, {"screen": {"password": "canary"}}, mistakes)
    [error] = mistakes.errors
    assert error.message == "(hidden) is not capitals"


def test_a_row_beside_it_shows_what_it_has() -> None:
    change: dict[str, Any] = results(
        planned({("title",): "before"}, {("title",): "CANARY"}).changes
    )[0]
    assert (change["before"], change["after"]) == ("before", "CANARY")
