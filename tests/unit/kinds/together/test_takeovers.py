"""A disk that moves from one VM to another in one run: who comes first."""

from __future__ import annotations

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import (
    UPDATE,
    Have,
    Plan,
    Wanted,
)
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.together.takeovers import (
    given_up,
    givers_first,
)


def have(name: str, *paths: str) -> Have:
    disks = "".join(f"<disk><source file='{path}'/></disk>" for path in paths)
    nic = "<interface><source network='lan'/></interface>"
    text = f"<domain><name>{name}</name><devices>{disks}{nic}</devices></domain>"
    return Have("vm", name, xmltree.parse(text))


def plan(name: str, before: str, after: str) -> Plan:
    wanted = Wanted("vm", name, "present")
    return Plan(wanted, UPDATE, have(name, *before.split()), have(name, *after.split()))


@pytest.mark.parametrize(
    ("plans", "order"),
    [
        ([("a", "/a", "/a /d"), ("b", "/b /d", "/b")], ["b", "a"]),
        ([("b", "/b /d", "/b"), ("a", "/a", "/a /d")], ["b", "a"]),
        ([("a", "/a", "/b"), ("b", "/b", "/c"), ("c", "/c", "/d")], ["c", "b", "a"]),
        ([("a", "/a", "/b"), ("b", "/b", "/a")], ["b", "a"]),
        ([("a", "/a", "/a /x"), ("b", "/b", "/b /y")], ["a", "b"]),
    ],
)
def test_who_gives_comes_before_who_takes(
    plans: list[tuple[str, str, str]], order: list[str]
) -> None:
    assert [one.wanted.name for one in givers_first([plan(*one) for one in plans])] == order


def test_a_vswitch_that_a_vm_leaves_is_given_to_nobody() -> None:
    leaves = Plan(Wanted("vm", "a", "present"), UPDATE, have("a", "/a"), Have("vm", "a"))
    assert given_up(leaves) == {("path", "/a")}
