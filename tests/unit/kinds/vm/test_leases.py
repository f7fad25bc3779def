"""Leases: what cannot be of one VM, and what the host and its other VMs say to those of a plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.changes import STORED, Changed
from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import Mistakes
from ansible_collections.kvm.fleet.plugins.module_utils.engine.keys import PRESENT, Key
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import (
    UPDATE,
    Have,
    Plan,
    Wanted,
)
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm import leases
from support import worlds

LUN = "/dev/disk/by-id/wwn-0x60a98000486e"
STOPPED = {"state": "stopped"}


def domain(*of: str) -> xmltree.Element:
    return xmltree.parse(f"<domain><devices>{''.join(of)}</devices></domain>")


def lease(key: str, mib: float, space: str = "kvm-fleet", path: str = LUN) -> str:
    offset = int(mib * 1024 * 1024)
    target = f"<target path='{path}' offset='{offset}'/>"
    return f"<lease><lockspace>{space}</lockspace><key>{key}</key>{target}</lease>"


def told(
    brought: str,
    *others: str,
    manager: str | None = "sanlock",
    had: str = "",
    becomes: str = "stopped",
    assume: bool = False,
) -> list[str]:
    """What the rule says of a VM with a lease, on a host with others."""
    before = Have("vm", "web", domain(had), facts=STOPPED)
    after = Have("vm", "web", domain(brought), facts={"state": becomes})
    changed = (Changed(("title",), "", "a", STORED),)
    plan = Plan(Wanted("vm", "web", "present", {}, {}), UPDATE, before, after, changed)
    there = {f"vm{n}": Have("vm", f"vm{n}", domain(one)) for n, one in enumerate(others)}
    world = worlds.world({"vm": there}, {("lock_manager",): manager})
    world.assume_on_host = assume
    world.add(plan)
    return [f"{type(one).__name__} {one.field}: {one}" for one in leases.hold([plan], world)]


def test_a_lease_is_given_to_one_vm() -> None:
    assert told(lease("slot1", 1)) == []
    assert told(lease("slot1", 1), lease("slot2", 2)) == []
    assert told(lease("slot1", 1), lease("slot1", 1, space="other", path="/dev/sdx")) == []
    for other in (lease("slot1", 9), lease("another", 1)):
        [clash] = told(lease("slot1", 1), "", other)
        assert "leases.slot1" in clash
        assert "is that of vm1 too" in clash
        assert told(lease("slot1", 1), other, had=lease("slot1", 1)) == []


@pytest.mark.parametrize(
    ("mib", "manager", "says"),
    [
        (0.5, "sanlock", "at a multiple of 1MiB"),
        (0, "sanlock", "behind the lockspace at 0"),
        (1, "lockd", "the leases of lockd begin at 0"),
        (0, "lockd", ""),
        (0.5, None, ""),
    ],
)
def test_a_lease_is_where_its_manager_looks_for_it(mib: float, manager: str, says: str) -> None:
    found = told(lease("slot1", mib), manager=manager)
    assert len(found) == bool(says)
    assert says in "".join(found)


def test_who_gives_no_leases_is_told_before_a_vm_runs_without() -> None:
    [refused] = told(lease("slot1", 1), manager="")
    assert refused.startswith("FleetError leases.slot1: ")
    assert "runs the VM without a word" in refused
    [warned] = told(lease("slot1", 1), manager="", assume=True)
    assert warned.startswith("Doubt ")
    of_others = lease("slot1", 1)
    assert told(of_others, manager="", had=of_others) == []
    [warned] = told(of_others, manager="", had=of_others, becomes="running")
    assert warned.startswith("Doubt ")


def wrong(after: Mapping[Key, Any], *declared: str) -> list[str]:
    mistakes = Mistakes()
    leases.check(dict(after), {("leases", one): PRESENT for one in declared}, mistakes)
    return [f"{one.field}: {one.message}" for one in mistakes.errors]


def test_a_lease_has_a_path_and_a_place_of_its_own() -> None:
    first: dict[Key, Any] = {
        ("leases", "a"): PRESENT,
        ("leases", "a", "path"): LUN,
        ("leases", "a", "offset"): "1MiB",
    }
    second = {(*key[:1], "b", *key[2:]): value for key, value in first.items()}
    assert wrong(first, "a") == []
    assert wrong({("leases", "a"): PRESENT}, "a") == ["leases.a.path: is needed"]
    assert wrong(first | second, "b") == [f"leases.b.offset: is at 1MiB of {LUN}, as leases.a is"]
    assert wrong(first | second) == []
