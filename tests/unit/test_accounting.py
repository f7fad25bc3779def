"""Every edit is accounted for: what a plan would edit beside its changes ends the run before it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.errors import FleetErrors
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.base import Kind
from ansible_collections.kvm.fleet.plugins.module_utils.plan import Plan
from ansible_collections.kvm.fleet.plugins.module_utils.planning import plan_all
from ansible_collections.kvm.fleet.plugins.module_utils.tree_diff import Pairs, differences
from ansible_collections.kvm.fleet.plugins.module_utils.xmltree import Element, parse

from .test_golden import GOLDEN, Case

Edit = Callable[[Element], Any]

# An edit that nothing in the case's plan accounts for, and how it is named.
PLANTED: dict[str, tuple[str, Edit, str]] = {
    "vm": ("vm/limits-and-words-go", lambda tree: xmltree.put(tree, "uuid", "changed"), "uuid"),
    "vm, a device": (
        "vm/limits-and-words-go",
        lambda tree: tree.find("devices").remove(tree.find("devices/memballoon")),  # type: ignore[union-attr, arg-type]
        "devices/memballoon",
    ),
    "vm, what hangs on another option": (
        "vm/metadata-goes",
        lambda tree: xmltree.put(tree, "cpu/@check", "full"),
        "cpu/@check",
    ),
    "vswitch": (
        "vswitch/things-go",
        lambda tree: xmltree.put(tree, "mac/@address", "52:54:00:00:00:01"),
        "mac/@address",
    ),
    "storage_pool": (
        "storage_pool/monitors-change",
        lambda tree: xmltree.put(tree, "target/path", "/changed"),
        "target",
    ),
    "storage_volume": (
        "storage_volume/grows",
        lambda tree: xmltree.put(tree, "target/path", "/changed"),
        "target/path",
    ),
}


class Faulty:
    """A kind whose plans edit something beside what they say."""

    def __init__(self, kind: Kind, edit: Edit) -> None:
        self.kind = kind
        self.edit = edit

    def __getattr__(self, name: str) -> Any:
        return getattr(self.kind, name)

    def plan(self, *args: Any) -> Plan:
        plan = self.kind.plan(*args)
        tree = xmltree.clone(plan.after.definition)
        self.edit(tree)
        return replace(plan, after=replace(plan.after, stored=tree))


@pytest.mark.parametrize("what", PLANTED)
def test_an_edit_beside_the_plan_ends_the_run(what: str) -> None:
    folder, edit, path = PLANTED[what]
    case = Case(GOLDEN / folder)
    wanted = case.wanted()
    world = case.world(case.have(wanted[-1].name))
    plan_all(world, wanted)
    world.kinds = {**world.kinds, case.kind.name: Faulty(world.kinds[case.kind.name], edit)}
    with pytest.raises(FleetErrors, match="This is a fault of") as told:
        plan_all(world, wanted)
    assert str(told.value).startswith(f"{case.kind.name}/")
    assert f": {path} of its definition" in str(told.value)


@pytest.mark.parametrize(
    ("before", "after", "paths"),
    [
        ("<a><b/><c/></a>", "<a>\n  <b/>\n  <c/>\n</a>", []),
        ("<a x='1' y='2'/>", "<a x='1' z='3'/>", ["@y", "@z"]),
        ("<a><b>1</b></a>", "<a><b>2</b></a>", ["b"]),
        ("<a><b/><b x='1'/></a>", "<a><b x='1'/></a>", ["b[1]"]),
        ("<a><b/><c/></a>", "<a><c/><b/></a>", ["b", "b"]),
        ("<a><b><c x='1'/></b></a>", "<a><b><c x='2'/><d/></b></a>", ["b/c/@x", "b/d"]),
        ("<a><!-- one --></a>", "<a><!-- two --></a>", ["comment"]),
    ],
)
def test_differences_have_paths(before: str, after: str, paths: list[str]) -> None:
    assert list(differences(parse(before), parse(after), Pairs(), {})) == paths
