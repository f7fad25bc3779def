"""The volume into which a disk is copied: sparse in files, whole in a volume group."""

from __future__ import annotations

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.looked_at import Layout
from ansible_collections.kvm.fleet.plugins.module_utils.moving.fate import COPIED, DiskFate
from ansible_collections.kvm.fleet.plugins.module_utils.moving.volume_there import plan_of
from support.moves import DIR, GIB, pool


@pytest.mark.parametrize(
    ("kind", "form", "allocation", "marked"),
    [
        ("dir", "qcow2", "0", True),
        ("rbd", "raw", "0", True),
        ("logical", "raw", str(GIB), True),
        ("disk", "raw", str(GIB), False),
    ],
)
def test_what_is_allocated_beforehand(kind: str, form: str, allocation: str, marked: bool) -> None:
    there = pool("fast", "/fast", DIR.replace('type="dir"', f'type="{kind}"'))
    fate = DiskFate("root", "vda", COPIED, pool_there="fast", volume_there="web", format=form)
    plan = plan_of(there, fate, GIB)
    assert plan.wanted.name == "fast/web" and plan.wanted.options["moved"] is marked
    tree = plan.after.definition
    assert xmltree.get(tree, "allocation") == allocation
    assert xmltree.get(tree, "target/format/@type") == (form if kind == "dir" else None)


@pytest.mark.parametrize(
    ("layout", "compat", "size", "features"),
    [
        (Layout(), "1.1", None, []),
        (Layout(2, 4096), "0.10", "4096", []),
        (Layout(3, 1 << 17, True, True), "1.1", "131072", ["lazy_refcounts", "extended_l2"]),
    ],
)
def test_how_it_is_laid_out(
    layout: Layout, compat: str, size: str | None, features: list[str]
) -> None:
    fate = DiskFate("root", "vda", COPIED, pool_there="fast", volume_there="web", format="qcow2")
    tree = plan_of(pool("fast", "/fast"), fate, GIB, layout=layout).after.definition
    assert xmltree.get(tree, "target/compat") == compat
    assert xmltree.get(tree, "target/clusterSize") == size
    assert [one.tag for one in tree.iterfind("target/features/*")] == features
