"""When the rules over all plans are asked: not where only something else is said of VMs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine.changes import Changed
from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import FleetError
from ansible_collections.kvm.fleet.plugins.module_utils.engine.keys import Key
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import (
    CREATE,
    NONE,
    UPDATE,
    Have,
    Plan,
    Wanted,
)
from ansible_collections.kvm.fleet.plugins.module_utils.engine.xmltree import parse
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.together import admission, vm_rules
from support import worlds


@pytest.fixture(autouse=True)
def a_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of the rules says something, whenever it is asked."""

    def said(*_of: Any) -> Iterator[FleetError]:
        yield FleetError("asked")

    monkeypatch.setattr(admission, "admitted", said)


def plan(name: str, *fields: Key, exists: bool = True) -> Plan:
    stored = parse(f"<domain><name>{name}</name></domain>")
    after = Have("vm", name, stored)
    action = (UPDATE if exists else CREATE) if fields else NONE
    changes = tuple(Changed(f"vm/{name}", field, "a", "b") for field in fields)
    have = after if exists else Have("vm", name)
    return Plan(Wanted("vm", name, "kept"), action, have, after, changes)


def is_asked(*plans: Plan) -> bool:
    world = worlds.world({"vm": {one.have.name: one.have for one in plans}}, {})
    return bool([*vm_rules.nothing_clashes(plans, world)])


@pytest.mark.parametrize(
    "fields",
    [[], [("title",)], [("description",), ("tags",), ("protected",)]],
)
def test_what_is_only_said_of_a_vm_is_no_rules_affair(fields: list[Key]) -> None:
    assert not is_asked(plan("web", *fields), plan("db"))


@pytest.mark.parametrize(
    "fields",
    [[("memory", "size")], [("title",), ("cpu", "count")], [("state",)], [("nics", "lan", "mac")]],
)
def test_all_else_is(fields: list[Key]) -> None:
    assert is_asked(plan("web", *fields))
    assert is_asked(plan("db", ("title",)), plan("web", *fields)), "one of several is enough"


def test_a_new_vm_is_more_than_its_title() -> None:
    assert is_asked(plan("web", ("title",), exists=False))
