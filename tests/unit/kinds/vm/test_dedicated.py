"""CPUs of a VM's own: which are chosen, who keeps them, and what cannot be."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import Mistakes
from ansible_collections.kvm.fleet.plugins.module_utils.engine.keys import Values, key_of
from ansible_collections.kvm.fleet.plugins.module_utils.engine.nodes import Cell
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import Have
from ansible_collections.kvm.fleet.plugins.module_utils.engine.xmltree import parse
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm import dedicated, tree
from support.worlds import world

ONE_NODE = [Cell(0, 2**34, [[0, 4], [1, 5], [2, 6], [3, 7]])]
TWO_NODES = [Cell(0, 2**34, [[0], [1], [2], [3]]), Cell(1, 2**34, [[4], [5], [6], [7], [8]])]


@pytest.mark.parametrize(
    ("cells", "count", "free", "near", "chosen"),
    [
        (ONE_NODE, 2, range(8), [], [1, 5]),
        (ONE_NODE, 3, range(8), [], [1, 5, 2]),
        (ONE_NODE, 2, [0, 4, 5, 3], [], [5, 3]),
        (ONE_NODE, 1, [0, 4, 2, 6, 3], [7], [3]),
        (TWO_NODES, 2, range(9), [], [1, 2]),
        (TWO_NODES, 4, [0, 1, 2, 4, 5, 6, 7, 8], [], [4, 5, 6, 7]),
        (TWO_NODES, 2, [0, 1, 2, 5, 6], [4], [5, 6]),
        (TWO_NODES, 6, range(9), [], [4, 5, 6, 7, 8, 1]),
    ],
)
def test_cpus_are_chosen_by_node_and_by_core(
    cells: list[Cell], count: int, free: Any, near: list[int], chosen: list[int]
) -> None:
    assert dedicated.choose(count, cells, list(free), near) == chosen


@pytest.mark.parametrize(
    ("nodes", "count", "chosen"),
    [
        ([1], 2, [4, 5]),  # where the other node would do as well, and is the smaller one
        ([1], 6, [4, 5, 6, 7, 8, 1]),
        ([0], 5, [1, 2, 3, 0, 4]),
        ([0, 1], 2, [1, 2]),
    ],
)
def test_cpus_are_where_the_memory_is(nodes: list[int], count: int, chosen: list[int]) -> None:
    assert dedicated.choose(count, TWO_NODES, list(range(9)), [], nodes) == chosen


def vm(name: str, pins: dict[int, str], is_dedicated: bool = True, vcpus: int = 2) -> Have:
    said = "".join(f"<vcpupin vcpu='{vcpu}' cpuset='{cpus}'/>" for vcpu, cpus in pins.items())
    reserved = "<fleet:reservation dedicated='yes'/>" if is_dedicated else ""
    tree = parse(
        f"<domain><name>{name}</name><metadata><fleet:resource xmlns:fleet='urn:kvm.fleet:1'>"
        f"{reserved}</fleet:resource></metadata><vcpu>{vcpus}</vcpu>"
        f"<cputune>{said}</cputune></domain>"
    )
    return Have("vm", name, tree)


def resolved(
    declared: dict[str, Any],
    has: Have | None = None,
    others: tuple[Have, ...] = (),
    cells: list[Cell] | None = None,
) -> tuple[Values, Mistakes]:
    """What is to be set of web, beside these others on a host with eight CPUs."""
    mistakes = Mistakes("vm/web")
    there = world({"vm": {have.name: have for have in others}}, {("cells",): cells or ONE_NODE})
    values = {key_of(name): value for name, value in declared.items()}
    definition = None if has is None else has.definition
    stored = {} if definition is None else tree.domain_values(definition)
    dedicated.resolve("web", values, stored, definition, there, mistakes)
    return values, mistakes


NEW = {"cpu.dedicated": True, "cpu.maximum": 2}


def test_cpus_of_others_are_theirs() -> None:
    others = (vm("db", {0: "1", 1: "5"}), vm("by-hand", {0: "2"}, is_dedicated=False))
    values, mistakes = resolved(NEW, others=others)
    assert not mistakes.errors
    assert values[dedicated.VCPUS] == {"0": "3", "1": "7"}
    assert values[dedicated.EMULATOR] == "0,4,6"


def test_who_asks_for_nothing_asks_nothing_of_the_host() -> None:
    has = vm("web", {0: "1", 1: "5"})
    values, mistakes = resolved({"cpu.dedicated": True, "title": "x"}, has)
    assert (set(values), mistakes.errors) == ({key_of("cpu.dedicated"), ("title",)}, [])


def test_the_node_that_is_declared_has_the_cpus() -> None:
    values, mistakes = resolved({**NEW, "numa.placement.nodes": "1"}, cells=TWO_NODES)
    assert (values[dedicated.VCPUS], mistakes.errors) == ({"0": "4", "1": "5"}, [])


def test_the_refusal_says_what_is_taken_by_whom() -> None:
    others = (vm("db", {0: "1", 1: "5"}), vm("app", {0: "2", 1: "6", 2: "3", 3: "7"}, vcpus=4))
    _values, mistakes = resolved(NEW, others=others)
    assert [(error.field, error.message) for error in mistakes.errors] == [
        (
            "cpu.dedicated",
            "needs 2 CPUs of its own, and free are 0,4 of 0-7, of which one has to stay for the "
            "host and all others; vm/app has 2-3,6-7; vm/db has 1,5; lower cpu.maximum, or free "
            "some",
        )
    ]


@pytest.mark.parametrize(
    ("declared", "field"),
    [
        ({"cpu.pinning.vcpus": {"0": "1"}}, "cpu.pinning.vcpus"),
        ({"cpu.pinning.vcpus": {"0": "1", "1": "1"}}, "cpu.pinning.vcpus"),
        ({"cpu.pinning.vcpus": {"0": "1", "1": "2-3"}}, "cpu.pinning.vcpus"),
        ({"cpu.pinning.vcpus": {"0": "1", "1": "2"}, "cpu.pinning.emulator": "2-7"}, "emulator"),
        ({"cpu.pinning.emulator": ""}, "emulator"),
        (
            {"extra_xml": "<iothreads>2</iothreads>", "cpu.pinning.iothreads": {"1": "0"}},
            "iothreads.2",
        ),
        ({"cpu.maximum": 8}, "cpu.dedicated"),
    ],
)
def test_what_is_no_cpu_of_its_own(declared: dict[str, Any], field: str) -> None:
    _values, mistakes = resolved({**NEW, **declared})
    assert [error.field.rpartition(field)[1:] for error in mistakes.errors] == [(field, "")]


def test_io_threads_of_extra_xml_run_apart_too() -> None:
    values, _mistakes = resolved({**NEW, "extra_xml": "<iothreads>2</iothreads>"})
    assert values[dedicated.IOTHREADS] == {"1": "0,2-4,6-7", "2": "0,2-4,6-7"}
