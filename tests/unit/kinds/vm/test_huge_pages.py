"""How many huge pages VMs take of a host's pool, and when it grows for them."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import Mistakes
from ansible_collections.kvm.fleet.plugins.module_utils.engine.nodes import HugePages
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import Have, Plan, Wanted
from ansible_collections.kvm.fleet.plugins.module_utils.engine.world import World
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm import huge_pages
from support import worlds

MIB, GIB = 2**20, 2**30
HOST = HugePages([(0, 2 * MIB, 8), (1, 2 * MIB, 8), (0, GIB, 0)], 100 * MIB, 4 * GIB)


def vm(memory_mib: int, pages: str = '<page size="2048"/>', more: str = "") -> xmltree.Element:
    backing = f"<memoryBacking><hugepages>{pages}</hugepages></memoryBacking>" if pages else ""
    return xmltree.parse(
        f"<domain><memory unit='MiB'>{memory_mib}</memory>{backing}{more}<devices/></domain>"
    )


def have(name: str, tree: xmltree.Element, state: str) -> Have:
    facts = {"state": state, "autostart": False, "persistent": True}
    return Have("vm", name, tree, tree if state == "running" else None, facts)


def grown(
    starts: xmltree.Element, world: World | None = None, state: str = "stopped", name: str = "web"
) -> tuple[list[Any], Mistakes]:
    mistakes = Mistakes()
    world = world or worlds.world({}, {("huge_pages",): HOST})
    changes = huge_pages.grown(starts, have(name, starts, state), world, mistakes)
    return [(change.field, change.before, change.after) for change in changes], mistakes


@pytest.mark.parametrize(
    ("starts", "expected"),
    [
        (vm(32), []),
        (vm(34), [(("host_huge_pages", "2MiB"), 16, 17)]),
        (vm(33), [(("host_huge_pages", "2MiB"), 16, 17)]),
        (vm(34, "<page size='2048' unit='KiB' nodeset='0'/><page size='1048576'/>"), []),
        (vm(34, ""), []),
        (vm(34, " "), [(("host_huge_pages", "2MiB"), 16, 17)]),
        (
            vm(20, more="<numatune><memory mode='strict' nodeset='1'/></numatune>"),
            [(("host_huge_pages", "2MiB"), 8, 10)],
        ),
        (vm(20, more="<numatune><memory mode='preferred' nodeset='1'/></numatune>"), []),
        (
            vm(7, more="<cpu><numa><cell memory='3072'/><cell memory='4096'/></numa></cpu>"),
            [],
        ),
    ],
)
def test_the_pool_grows_by_what_is_missing(starts: xmltree.Element, expected: list[Any]) -> None:
    changes, mistakes = grown(starts)
    assert (changes, mistakes.errors) == (expected, [])


def test_what_a_vm_has_itself_is_free_for_its_restart() -> None:
    changes, _mistakes = grown(vm(34), state="running")
    assert changes == []


def test_what_earlier_vms_of_the_run_take_is_not_free() -> None:
    world = worlds.world({"vm": {"db": have("db", vm(24), "stopped")}}, {("huge_pages",): HOST})
    wanted = Wanted("vm", "db", "running")
    after = have("db", vm(24), "running")
    world.add(Plan(wanted, "update", world.was("vm", "db"), after, (), ()))
    changes, _mistakes = grown(vm(16), world)
    assert changes == [(("host_huge_pages", "2MiB"), 4, 8)]


def test_what_the_host_has_no_memory_for_is_refused() -> None:
    changes, mistakes = grown(vm(32 + 102))
    assert not changes
    assert "of which 16 are free, and the host has 100MiB" in mistakes.errors[0].message


@pytest.mark.parametrize(
    ("after", "before", "words"),
    [
        (vm(64, "<page size='4096'/>"), None, "no huge pages of 4MiB; it has 2MiB, 1GiB"),
        (vm(8192), None, "the host has 4GiB of memory"),
        (vm(8192), vm(4096), "the host has 4GiB of memory"),
        (vm(8192), vm(8192), ""),
        (vm(1024), None, ""),
    ],
)
def test_what_no_start_could_have_is_refused(
    after: xmltree.Element, before: xmltree.Element | None, words: str
) -> None:
    mistakes = Mistakes()
    world = worlds.world({}, {("huge_pages",): HOST})
    huge_pages.check(after, before, world.host, mistakes)
    assert [words in error.message for error in mistakes.errors] == ([True] if words else [])
