"""Every edit is accounted for: what a plan would edit beside its changes ends the run before it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine import tree_diff, xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import FleetErrors
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import Plan
from ansible_collections.kvm.fleet.plugins.module_utils.engine.tree_diff import Pairs, differences
from ansible_collections.kvm.fleet.plugins.module_utils.engine.world import Kind
from ansible_collections.kvm.fleet.plugins.module_utils.engine.xmltree import Element, parse
from ansible_collections.kvm.fleet.plugins.module_utils.run.planning import plan_all

from ..test_golden import GOLDEN, Case

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
        ("<a><b/><b/><b/></a>", "<a><b/><b/></a>", ["b[3]"]),
        ("<a><b/><c/><b/></a>", "<a><b/><c x='1'/><b/></a>", ["c/@x"]),
        ("<a><b/><d/></a>", "<a><b/><c/><d/></a>", ["c"]),
    ],
)
def test_differences_have_paths(before: str, after: str, paths: list[str]) -> None:
    assert list(differences(parse(before), parse(after), Pairs(), {})) == paths


def test_what_is_known_to_be_one_thing_is_compared_wherever_it_stands() -> None:
    before, after = parse("<a><b x='1'/><b x='2'/></a>"), parse("<a><b x='2'/><b x='1'/></a>")
    pairs = Pairs()
    pairs.add(before[0], after[0])
    pairs.add(before[1], after[1])
    assert list(differences(before, after, pairs, {})) == ["b[1]/@x", "b[2]/@x"]


def test_only_what_is_between_changes_is_aligned(monkeypatch: pytest.MonkeyPatch) -> None:
    """To align takes the square of what is aligned, and a network may have thousands of hosts."""
    aligned: list[int] = []
    align = tree_diff._aligned

    def counted(ones: Any, *rest: Any) -> Any:
        aligned.append(len(ones))
        return align(ones, *rest)

    monkeypatch.setattr(tree_diff, "_aligned", counted)
    before, after = (
        parse("<a>" + "".join(f"<b x='{i}'/>" for i in range(99)) + "</a>") for _side in range(2)
    )
    after[50].set("y", "1")
    assert list(differences(before, after, Pairs(), {})) == ["b[51]/@y"]
    assert max(aligned) == 1
