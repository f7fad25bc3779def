"""Admission: what a run may promise of a host, over all its plans together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import FleetErrors
from ansible_collections.kvm.fleet.plugins.module_utils.engine.facts import Fact
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import Have, Plan
from ansible_collections.kvm.fleet.plugins.module_utils.engine.promises import (
    GIB,
    Capacity,
    Policy,
)
from ansible_collections.kvm.fleet.plugins.module_utils.engine.world import World
from ansible_collections.kvm.fleet.plugins.module_utils.engine.xmltree import parse
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.together.admission import admitted
from ansible_collections.kvm.fleet.plugins.module_utils.run import host_config
from ansible_collections.kvm.fleet.plugins.module_utils.run.planning import plan_all
from support import worlds

HOST = Capacity(tuple(range(4)), 8 * GIB)
FLEET = 'xmlns:fleet="urn:kvm.fleet:1"'
DOMAIN = """
<domain type="kvm">
  <name>{name}</name>
  <uuid>00000000-0000-4000-8000-{number:012}</uuid>
  <metadata><fleet:resource {fleet}>{reservation}</fleet:resource></metadata>
  <memory unit="KiB">1048576</memory>
  <currentMemory unit="KiB">1048576</currentMemory>
  <vcpu>4</vcpu>
  <os><type arch="x86_64" machine="q35">hvm</type></os>
  <devices/>
</domain>
"""
PROMISES = {"error": "", "hook": {"installed": "", "called": False}, "cgroup": 2, "faults": []}


def vm(name: str, said: str = "", state: str = "stopped", autostart: bool = False) -> Have:
    """A VM with such a reservation: `cpu="1"`."""
    reservation = f"<fleet:reservation {said}/>" if said else ""
    number = sum(map(ord, name))
    text = DOMAIN.format(name=name, number=number, reservation=reservation, fleet=FLEET)
    tree = parse(text)
    facts = {"state": state, "autostart": autostart, "persistent": True}
    return Have("vm", name, tree, tree if state == "running" else None, facts)


def promises(policy: Policy = Policy(), error: str = "") -> dict[str, Any]:  # noqa: B008
    return {**PROMISES, "policy": policy._asdict(), "error": error}


class Host:
    """Four CPUs, of which 3.9 can be promised."""

    def __init__(self, *there: Have, **facts: Any) -> None:
        told: dict[Fact, Any] = {("capacity",): HOST, ("promises",): promises()}
        told.update({(name,): answer for name, answer in facts.items()})
        self.facts = told
        self.there = {have.name: have for have in there if have.kind == "vm"}
        self.pools_there = {have.name: have for have in there if have.kind == "resource_pool"}
        self.world: World | None = None

    def plans(self, *vms: Mapping[str, Any], admission: str = "") -> list[Plan]:
        """The plans for these declarations. FleetErrors if they are refused."""
        wanted = host_config.parse(
            {**dict.fromkeys(host_config.SPEC), "prune": False, "vms": list(vms)}
        )
        self.world = worlds.world({"vm": self.there, "resource_pool": self.pools_there}, self.facts)
        self.world.admission = admission
        return plan_all(self.world, wanted, rules_of_changes=lambda: (admitted,))

    def refused(self, *vms: Mapping[str, Any]) -> list[tuple[str, str]]:
        """What is refused of these declarations."""
        with pytest.raises(FleetErrors) as raised:
            self.plans(*vms)
        return [(error.resource, error.field) for error in raised.value.errors]

    def warned(self, *vms: Mapping[str, Any], admission: str = "") -> list[str]:
        """What plans warn of, that has to do with promises."""
        plans = self.plans(*vms, admission=admission)
        return [one for plan in plans for one in plan.warnings if "promise" in one]

    @property
    def asked(self) -> set[str]:
        assert self.world
        return {fact[0] for fact in self.world.facts.answers()}


def declared(name: str, cpu: float | str | None = None, **more: Any) -> dict[str, Any]:
    reserved = {} if cpu is None else {"cpu": {"count": 4, "reservation": cpu}}
    return {"name": name, "state": "stopped", "memory": {"size": "1GiB"}, **reserved, **more}


def test_what_is_there_is_promised_and_not_a_tenth_of_a_core_more() -> None:
    assert Host().plans(declared("web", "3.9"))
    assert Host().refused(declared("web", "4")) == [("vm/web", "cpu.reservation")]


def test_all_of_one_run_are_counted_together() -> None:
    assert Host().plans(declared("a", 2), declared("b", "1.9"))
    assert Host().refused(declared("a", 2), declared("b", 2)) == [("vm/b", "cpu.reservation")]


@pytest.mark.parametrize(
    ("other", "counts"),
    [
        (vm("other", 'cpu="2"'), False),
        (vm("other", 'cpu="2"', "running"), True),
        (vm("other", 'cpu="2"', "paused"), True),
        (vm("other", 'cpu="2"', autostart=True), True),
        (vm("other", "", "running"), False),
    ],
)
def test_others_hold_that_run_or_start_with_the_host(other: Have, counts: bool) -> None:
    if counts:
        assert Host(other).refused(declared("web", 2)) == [("vm/web", "cpu.reservation")]
    else:
        assert Host(other).plans(declared("web", 2))


def test_who_goes_in_the_same_run_holds_nothing() -> None:
    other = vm("other", 'cpu="2"', autostart=True)
    assert Host(other).plans({"name": "other", "state": "absent"}, declared("web", 3))


def test_a_start_asks_and_a_stopped_vm_that_nobody_declares_does_not() -> None:
    stopped = vm("db", 'cpu="2"')
    there = Host(stopped, vm("web", 'cpu="2"', "running"))
    start = {"name": "db", "state": "running"}
    assert there.refused(start) == [("vm/db", "cpu.reservation")]
    assert there.refused({"name": "db", "autostart": True, "state": "stopped"})
    assert there.plans({"name": "db", "title": "now with a title", "state": "stopped"})


def test_who_gives_back_a_part_of_too_much_may() -> None:
    there = Host(vm("a", 'cpu="4"', "running"), vm("b", 'cpu="4"', "running"))
    assert there.plans({"name": "a", "cpu": {"reservation": 1}})
    assert there.refused({"name": "a", "cpu": {"reservation": "4"}}, declared("c", 1)) == [
        ("vm/c", "cpu.reservation")
    ]


def test_a_change_that_has_nothing_to_do_with_promises_asks_nothing() -> None:
    there = Host(vm("web", 'cpu="4"', "running"), vm("db", 'cpu="4"', "running"))
    assert there.plans({"name": "web", "title": "another"})
    # (Whether the kernel holds what a VM that runs was promised, each plan for it asks.)
    assert not there.asked & {"capacity", "all"}


def test_where_nothing_is_promised_nothing_is_added_up() -> None:
    there = Host(vm("web"), vm("db", "", "running"))
    assert there.plans({"name": "web", "state": "running"})
    assert "capacity" not in there.asked


def test_the_error_shows_the_sum() -> None:
    with pytest.raises(FleetErrors) as raised:
        Host(vm("db", 'cpu="2"', "running")).plans(declared("web", 2))
    assert str(raised.value) == (
        "vm/web cpu.reservation: 2 cores cannot be promised: the host lacks 0.1 cores\n"
        "     4 cores  CPUs of the host\n"
        "  -0.1 cores  kept for the host (host_reserve.cpu)\n"
        "    -2 cores  vm/db\n"
        "    -2 cores  vm/web (asked for now)\n"
        "  -0.1 cores  left\n"
        "Ask for less, take it from others, keep less for the host or allow more "
        "(/etc/kvm-fleet/admission.json), or run with admission: warn"
    )


# ---- in pools


def pool(path: str, cores: str, **more: str) -> Have:
    """A pool with such a reservation."""
    said = "".join(f"<{name}>{value}</{name}>" for name, value in more.items())
    ours = f"<X-kvm-fleet><CPUReservation>{cores}</CPUReservation>{said}</X-kvm-fleet>"
    return Have("resource_pool", path, parse(f"<unit>{ours}</unit>"))


def inside(path: str, name: str, said: str = "", state: str = "stopped") -> Have:
    """A VM in a pool."""
    have = vm(name, said, state)
    for tree in (have.stored, have.live):
        if tree is not None and tree.find("resource") is None:
            tree.append(parse(f"<resource><partition>/machine/{path}</partition></resource>"))
    return have


def test_a_vm_holds_of_its_pool_and_the_pool_of_the_host() -> None:
    there = Host(pool("gold", "2"), inside("gold", "a", 'cpu="1"', "running"), inside("gold", "b"))
    assert there.plans({"name": "b", "cpu": {"reservation": 1}, "state": "stopped"})
    assert there.refused({"name": "b", "cpu": {"reservation": 1.1}, "state": "stopped"}) == [
        ("vm/b", "cpu.reservation")
    ]
    assert there.plans(declared("c", 1.9))
    assert there.refused(declared("c", 2)) == [("vm/c", "cpu.reservation")]


def test_an_expandable_pool_borrows_what_the_host_has_left() -> None:
    grows = pool("gold", "1", Expandable="yes")
    there = Host(grows, inside("gold", "a"), vm("b", 'cpu="1"', "running"))
    assert there.plans({"name": "a", "cpu": {"reservation": 2.9}, "state": "stopped"})
    assert there.refused({"name": "a", "cpu": {"reservation": 3}, "state": "stopped"})


# ---- by policy


def test_the_policy_of_the_host_counts_and_the_task_stands_above_it() -> None:
    warns = Host(promises=promises(Policy("warn")))
    [warning] = warns.warned(declared("web", 4))
    assert warning.startswith("cpu.reservation: 4 cores cannot be promised")
    assert warns.warned(declared("web", 4), admission="off") == []
    with pytest.raises(FleetErrors):
        warns.plans(declared("web", 4), admission="strict")
    assert Host(promises=promises(Policy("off"))).warned(declared("web", 4)) == []
    assert Host().warned(declared("web", 4), admission="warn") == [warning]


def test_the_policy_says_what_is_kept_for_the_host() -> None:
    there = Host(promises=promises(Policy(reserve_cpu=1000)))
    assert there.plans(declared("web", 3))
    assert there.refused(declared("web", "3.1"))


def test_a_ratio_of_the_policy_is_for_vms_without_a_reservation_too() -> None:
    there = Host(vm("db", "", "running"), promises=promises(Policy(vcpu_per_core=2)))
    assert there.plans(declared("web", 0))
    assert there.refused(declared("web", 0), declared("app", 0)) == [("vm/app", "cpu.count")]


def test_instead_of_a_policy_that_cannot_be_read_the_usual_strict_one_is_gone_by() -> None:
    there = Host(promises=promises(error="/etc/kvm-fleet/admission.json: no JSON"))
    for cores in (0, 1):  # it may have said something of VMs without a reservation, too
        [plan] = there.plans(declared("web", cores))
        [warning] = [one for one in plan.warnings if "policy" in one]
        assert "cannot be read, and the usual strict one is gone by: /etc/kvm-fl" in warning
    assert there.refused(declared("web", 4)) == [("vm/web", "cpu.reservation")]


# ---- of hosts of which less is known


def test_what_is_not_known_of_a_host_is_a_warning() -> None:
    far = Host(promises=None)
    [warning] = far.warned(declared("web", 1))
    assert "is not known from here" in warning
    assert far.refused(declared("web", 4))
    [warning] = Host(promises=None, capacity=None).warned(declared("web", 4))
    assert "nothing was added up" in warning
    assert far.warned(declared("web")) == []
