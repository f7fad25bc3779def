"""The resource pool of a VM: it has to be there, and is known by its path."""

from __future__ import annotations

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import Mistakes
from ansible_collections.kvm.fleet.plugins.module_utils.engine.keys import Values
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import Have
from ansible_collections.kvm.fleet.plugins.module_utils.engine.world import World
from ansible_collections.kvm.fleet.plugins.module_utils.engine.xmltree import Element
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.in_pool import POOL, placed
from ansible_collections.kvm.fleet.plugins.module_utils.run.exporting import export
from support import worlds

FACTS = {"state": "present", "managed": True}


def world(*pools: str, here: bool = True) -> World:
    there = {name: Have("resource_pool", name, Element("unit"), None, FACTS) for name in pools}
    return worlds.world({"resource_pool": there}, worlds.HERE if here else None)


def said(pool: str, where: World, stored: str = "") -> tuple[str, str]:
    """What becomes of a pool that is declared, and the mistake or warning."""
    mistakes, values = Mistakes(), Values({POOL: pool})
    want, warnings = placed(values, {POOL: stored}, where, mistakes)
    return want[POOL], " ".join([*map(str, mistakes.errors), *warnings])


@pytest.mark.parametrize(
    ("pool", "found"), [("gold", "gold"), ("in", "gold/in"), ("gold/in", "gold/in"), ("", "")]
)
def test_a_pool_by_its_path_or_its_name(pool: str, found: str) -> None:
    assert said(pool, world("gold", "gold/in")) == (found, "")


@pytest.mark.parametrize(
    ("pool", "message"),
    [
        ("silver", "the resource pool silver does not exist; declare it"),
        ("gold/no", "the resource pool gold/no does not exist"),
        ("in", "in may be a/in or gold/in; write the whole path"),
        ("/gold", "/gold is no resource pool"),
    ],
)
def test_what_is_none_is_a_mistake(pool: str, message: str) -> None:
    assert message in said(pool, world("gold", "gold/in", "a/in"))[1]
    assert "cannot be seen" not in said(pool, world("gold", "gold/in", "a/in"))[1]


def test_a_partition_of_others_stays_where_it_is_declared_as_it_is() -> None:
    assert said("/gold", world(), stored="/gold") == ("/gold", "")


def test_a_partition_that_others_wrote_without_a_pool_stays_as_it_is() -> None:
    found, message = said("gold", world("other/gold"), stored="gold")
    assert found == "gold" and "limits and promises nothing" in message


def test_of_another_machine_it_is_not_known() -> None:
    assert "cannot be seen from here" in said("gold", world(here=False))[1]
    assert said("gold", world(here=False), stored="gold") == ("gold", "")


def test_an_earlier_task_may_make_it() -> None:
    where = world()
    where.assume_missing = True
    assert "does not exist yet; the plan assumes that it will" in said("gold", where)[1]


def test_pools_are_exported_as_they_are_declared() -> None:
    exported = export(world("gold", "gold/in"), "none")
    assert exported.sections["resource_pools"] == [
        {"name": "gold"},
        {"name": "in", "parent": "gold"},
    ]
    assert exported.warnings == []
