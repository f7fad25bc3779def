"""What a host has promised, added up."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.kvm.fleet.plugins.module_utils.engine import promises
from ansible_collections.kvm.fleet.plugins.module_utils.engine.promises import (
    CORE,
    GIB,
    KIB,
    MIB,
    Capacity,
    Policy,
    Pool,
    Refusal,
    Vm,
)

HOST = Capacity(tuple(range(8)), 16 * GIB)
POLICY = Policy(reserve_cpu=500, reserve_memory=GIB)


def needing(memory: int, name: str = "web", **more: object) -> Vm:
    """A VM that holds so much memory."""
    vm = Vm(name, memory=GIB)
    return vm._replace(reserved=memory - promises.overhead(vm), **more)


def refused(*vms: Vm, pools: tuple[Pool, ...] = (), **more: object) -> list[Refusal]:
    """What of these cannot be promised by the host."""
    return promises.refusals(more.pop("host", HOST), more.pop("policy", POLICY), pools, vms, **more)


def where(found: list[Refusal]) -> list[tuple[str, str]]:
    return [(one.resource, one.field) for one in found]


# ---- of the host


def test_exactly_the_memory_is_admitted_and_a_mebibyte_more_is_not() -> None:
    assert refused(needing(15 * GIB)) == []
    [refusal] = found = refused(needing(15 * GIB + MIB))
    assert where(found) == [("vm/web", "memory.reservation")]
    assert refusal.message.splitlines()[0] == ("15361 MiB cannot be promised: the host lacks 1 MiB")


def test_exactly_the_cores_are_admitted_and_a_tenth_more_is_not() -> None:
    assert refused(Vm("web", cpu=7500)) == []
    [refusal] = found = refused(Vm("web", cpu=7600))
    assert where(found) == [("vm/web", "cpu.reservation")]
    assert "lacks 0.1 cores" in refusal.message


def test_the_sum_is_shown_line_by_line() -> None:
    host = Capacity(tuple(range(8)), 16 * GIB + 5 * KIB, {2 * MIB: 256})
    vms = (
        Vm("db", vcpus=4, memory=8 * GIB, reserved=8 * GIB),
        Vm("idle", memory=GIB),
        Vm("in", pool="gold", memory=GIB, reserved=GIB),
        Vm("web", vcpus=2, memory=6 * GIB, reserved=6 * GIB),
    )
    found = refused(*vms, host=host, pools=(Pool("gold", memory=2 * GIB),), asking=("vm/web",))
    assert [one.message for one in found] == [
        "6240 MiB cannot be promised: the host lacks 1820 MiB\n"
        "  16384 MiB  memory of the host\n"
        "   -512 MiB  huge pages\n"
        "  -1024 MiB  kept for the host (host_reserve.memory)\n"
        "  -2048 MiB  resource_pool/gold\n"
        "  -8312 MiB  vm/db: 8192 MiB, and 120 MiB for QEMU\n"
        "    -68 MiB  QEMU itself, of those that reserve no memory (1)\n"
        "  -6240 MiB  vm/web: 6144 MiB, and 96 MiB for QEMU (asked for now)\n"
        "  -1820 MiB  left\n"
        "Ask for less, take it from others, keep less for the host or allow more "
        "(/etc/kvm-fleet/admission.json), or run with admission: warn"
    ]


def test_only_those_that_ask_are_blamed() -> None:
    vms = (Vm("a", cpu=5000), Vm("b", cpu=5000))
    assert where(refused(*vms, asking=("vm/b",))) == [("vm/b", "cpu.reservation")]
    assert where(refused(*vms, asking=("vm/a",))) == [("vm/a", "cpu.reservation")]
    assert refused(*vms, asking=("vm/c",)) == []


def test_of_several_that_ask_the_first_that_does_not_fit_is_blamed() -> None:
    vms = [Vm(name, cpu=3000) for name in "abc"]
    assert where(refused(*vms, asking=("vm/a", "vm/b", "vm/c"))) == [("vm/c", "cpu.reservation")]
    assert where(refused(*vms, asking=("vm/c", "vm/b", "vm/a"))) == [("vm/a", "cpu.reservation")]


def test_who_asks_for_cpu_is_not_blamed_for_memory() -> None:
    vms = (needing(20 * GIB, "a"), Vm("b", cpu=100, huge_page=2 * MIB))
    assert where(refused(*vms, asking=("vm/a",))) == [("vm/a", "memory.reservation")]
    was = ((), (vms[0], vms[1]._replace(cpu=0)))
    assert refused(*vms, asking=("vm/b",), before=was) == []


def test_who_gives_back_a_part_of_too_much_is_not_refused() -> None:
    was, now = Vm("a", cpu=9000), Vm("a", cpu=8000)
    assert refused(now, asking=("vm/a",), before=((), (was,))) == []
    assert refused(was, asking=("vm/a",), before=((), (now,))) != []


def test_qemu_needs_memory_only_where_some_is_promised() -> None:
    idle = [Vm(f"idle-{number}", memory=GIB) for number in range(400)]
    assert refused(*idle) == []
    assert where(refused(*idle, Vm("web", memory=GIB, reserved=MIB), asking=("vm/web",)))
    assert where(refused(*idle, needing(MIB * 100), asking=("vm/idle-1",))) == [
        ("vm/idle-1", "memory")
    ]


def test_very_many_holders_are_told_in_few_lines() -> None:
    vms = [Vm(f"vm-{number:03}", cpu=100) for number in range(75)]
    [refusal] = refused(*vms, Vm("web", cpu=100), asking=("vm/web",))
    assert len(refusal.message.splitlines()) < 50
    assert "others, with less each" in refusal.message
    assert added_up(refusal.message)


def test_the_reserve_of_the_host_goes_with_its_size() -> None:
    def kept(cpus: int, memory: int) -> tuple[int, int]:
        return tuple(promises.reserve(Capacity(tuple(range(cpus)), memory), Policy()))

    assert kept(1, GIB) == (100, 256 * MIB)
    assert kept(8, 16 * GIB) == (200, 820 * MIB)
    assert kept(128, 1024 * GIB) == (1000, 4 * GIB)


def test_overcommit_is_limited_where_a_ratio_is_set() -> None:
    vms = [Vm(f"vm-{number}", vcpus=4, memory=4 * GIB) for number in range(5)]
    assert refused(*vms, policy=POLICY._replace(vcpu_per_core=2.5)) == []
    ratio = POLICY._replace(vcpu_per_core=2.4, memory_ratio=1.3)
    assert where(refused(*vms, policy=ratio, asking=("vm/vm-3",))) == [
        ("vm/vm-3", "cpu.count"),
        ("vm/vm-3", "memory.size"),
    ]


# ---- huge pages


def test_huge_pages_are_counted_apart_from_memory() -> None:
    host = HOST._replace(huge_pages={2 * MIB: 4096})
    on_pages = Vm("a", memory=8 * GIB, reserved=8 * GIB, huge_page=2 * MIB)
    own = promises.overhead(on_pages)
    assert own == 65 * MIB
    assert refused(on_pages, needing(7 * GIB - own), host=host) == []
    assert where(refused(on_pages, needing(7 * GIB - own + MIB), host=host)) != []


def test_huge_pages_that_are_to_be_made_come_from_the_memory() -> None:
    on_pages = Vm("a", memory=8 * GIB, huge_page=2 * MIB)
    own = promises.overhead(on_pages)
    assert refused(on_pages, needing(7 * GIB - own)) == []
    found = refused(on_pages, needing(7 * GIB - own + MIB), asking=("vm/a",))
    assert where(found) == [("vm/a", "memory.huge_pages")]
    assert "4096 huge pages of 2 MiB beside the 0 there are" in found[0].message
    assert added_up(found[0].message)


# ---- pools


def test_a_pool_gives_no_more_than_it_has() -> None:
    pool = Pool("gold", cpu=2000, memory=2 * GIB)
    vms = (needing(GIB, "a", cpu=1000, pool="gold"), needing(GIB, "b", cpu=1000, pool="gold"))
    assert refused(*vms, pools=(pool,)) == []
    more = (vms[0], needing(GIB + MIB, "b", cpu=1100, pool="gold"))
    found = refused(*more, pools=(pool,), asking=("vm/b",))
    assert where(found) == [("vm/b", "cpu.reservation"), ("vm/b", "memory.reservation")]
    assert "resource_pool/gold lacks 0.1 cores" in found[0].message


def test_what_a_pool_reserves_is_nobody_elses_though_it_is_empty() -> None:
    pool = Pool("gold", cpu=7000)
    assert where(refused(Vm("web", cpu=600), pools=(pool,), asking=("vm/web",)))
    assert where(refused(Vm("web", cpu=600), pools=(pool,), asking=(pool.resource,))) == [
        ("resource_pool/gold", "cpu.reservation")
    ]


def test_an_expandable_pool_borrows_of_what_it_is_in() -> None:
    outer, inner = Pool("a", cpu=3000), Pool("a/b", cpu=1000, expandable=True)
    assert refused(Vm("web", cpu=3000, pool="a/b"), pools=(outer, inner)) == []
    found = refused(Vm("web", cpu=3100, pool="a/b"), pools=(outer, inner), asking=("vm/web",))
    assert where(found) == [("vm/web", "cpu.reservation")]
    assert "-3.1 cores  resource_pool/a/b: reserves 1 cores, and borrows" in found[0].message
    wider = outer._replace(expandable=True)
    assert refused(Vm("web", cpu=7500, pool="a/b"), pools=(wider, inner)) == []
    assert "the host lacks" in refused(Vm("web", cpu=7600, pool="a/b"), pools=(wider, inner))[0][2]


def test_a_limit_ends_what_a_pool_may_borrow() -> None:
    pool = Pool("a", cpu=1000, cpu_limit=2000, expandable=True)
    assert refused(Vm("web", cpu=2000, pool="a"), pools=(pool,)) == []
    assert where(refused(Vm("web", cpu=2100, pool="a"), pools=(pool,)))
    found = refused(Vm("web", cpu=2100, pool="a"), pools=(pool,), asking=(pool.resource,))
    assert where(found) == [("resource_pool/a", "cpu.limit")]


def test_a_pool_that_shrinks_below_what_is_in_it_is_blamed() -> None:
    found = refused(Vm("w", cpu=2000, pool="a"), pools=(Pool("a", cpu=1000),), asking=(
        "resource_pool/a",
    ))  # fmt: skip
    assert where(found) == [("resource_pool/a", "cpu.reservation")]


def test_a_slice_that_is_no_pool_promises_and_limits_nothing() -> None:
    assert refused(Vm("web", cpu=7500, pool="none/of/them")) == []
    assert refused(Vm("web", cpu=7600, pool="/others"))
    inner = Pool("gone/b", cpu=7600)
    assert where(refused(pools=(inner,))) == [("resource_pool/gone/b", "cpu.reservation")]


# ---- dedicated CPUs


def test_dedicated_cpus_are_whole_ones_that_count() -> None:
    vms = [
        Vm(n, vcpus=3, dedicated=True, cpus=cpus)
        for n, cpus in (("a", (0, 1, 2)), ("b", (3, 4, 5)))
    ]
    assert refused(*vms, Vm("c", cpu=1500)) == []
    found = refused(*vms, Vm("c", cpu=1600), asking=("vm/b",))
    assert where(found) == [("vm/b", "cpu.dedicated")]


@pytest.mark.parametrize(
    ("cpus", "says"),
    [
        ((7, 8, 9), "the host has no CPU 8-9; it has 0-7"),
        ((2, 3), "CPU 2 is dedicated to vm/other already"),
        ((5, 6), "CPU 5 is what vCPUs are pinned to of vm/pinned already"),
    ],
)
def test_dedicated_cpus_are_there_and_nobody_elses(cpus: tuple[int, ...], says: str) -> None:
    others = (
        Vm("other", dedicated=True, cpus=(2,)),
        Vm("pinned", cpus=(5,)),
        Vm("free", cpus=(0,)),
    )
    found = refused(*others, Vm("web", dedicated=True, cpus=cpus), asking=("vm/web",))
    assert where(found) == [("vm/web", "cpu.dedicated")]
    assert says in found[0].message


def test_a_cpu_is_left_for_the_host() -> None:
    policy = POLICY._replace(reserve_cpu=0)
    found = refused(Vm("web", vcpus=8, dedicated=True, cpus=HOST.cpus), policy=policy)
    assert "no CPU is left" in found[0].message


def test_others_are_kept_off_dedicated_cpus() -> None:
    vms = [Vm("a", dedicated=True, cpus=(2, 3)), Vm("b")]
    assert promises.fences(HOST, vms) == {"vm/b": (0, 1, 4, 5, 6, 7)}
    assert promises.fences(HOST, vms[1:]) == {}


def test_two_with_cpus_of_their_own_are_kept_off_each_others() -> None:
    """The emulator of the first was pinned before there was the second."""
    vms = [Vm("a", dedicated=True, cpus=(2, 3)), Vm("b", dedicated=True, cpus=(6, 99)), Vm("c")]
    assert promises.fences(HOST, vms) == {
        "vm/a": (0, 1, 2, 3, 4, 5, 7),
        "vm/b": (0, 1, 4, 5, 6, 7),
        "vm/c": (0, 1, 4, 5, 7),
    }
    most = [Vm("a", dedicated=True, cpus=HOST.cpus[:4]), Vm("b", dedicated=True, cpus=(4, 5, 6, 7))]
    assert promises.fences(HOST, most) == {"vm/a": (0, 1, 2, 3), "vm/b": (4, 5, 6, 7)}


# ---- what is left, and what the kernel is told


def test_what_is_left_can_be_promised_and_no_more() -> None:
    pools = (Pool("a", cpu=3000, memory=GIB), Pool("a/b", cpu=1000, expandable=True))
    vms = (needing(GIB, "web", cpu=500), Vm("x", cpu=1500, pool="a/b", vcpus=3))
    left = promises.free(HOST, POLICY, pools, vms)
    assert (left.cpu, left.pools["a"].cpu, left.pools["a/b"].cpu) == (4000, 1500, 1500)
    assert left.vcpus == 4
    assert left.vcpu_per_core == 0.5
    assert refused(*vms, Vm("y", cpu=left.cpu), pools=pools) == []
    assert refused(*vms, Vm("y", cpu=left.cpu + 1), pools=pools) != []
    assert refused(*vms, Vm("y", cpu=1500, pool="a/b"), pools=pools) == []
    assert refused(*vms, Vm("y", cpu=1501, pool="a/b"), pools=pools) != []


def test_the_minimum_of_a_slice_is_that_of_all_in_it() -> None:
    pools = (Pool("a", memory=GIB), Pool("a/b", memory=3 * GIB))
    vms = (needing(2 * GIB, "in", pool="a"), needing(GIB, "out"), Vm("none"))
    assert promises.minimums(pools, vms) == {
        "vm/in": 2 * GIB,
        "vm/out": GIB,
        "vm/none": 0,
        "pool/a/b": 3 * GIB,
        "pool/a": 5 * GIB,
        "machine": 6 * GIB,
    }


def test_what_is_in_huge_pages_needs_no_minimum() -> None:
    vm = Vm("web", memory=GIB, reserved=GIB, huge_page=2 * MIB)
    assert promises.minimums((), (vm,)) == {"vm/web": 65 * MIB, "machine": 65 * MIB}


def test_reservations_of_three_to_one_weigh_three_to_one() -> None:
    found = promises.weights(HOST, POLICY, (), (Vm("a", cpu=3000), Vm("b", cpu=1000)))
    assert found["vm/a"] == 3 * found["vm/b"]
    assert found["machine"] == 2 * 100 * 15


def test_who_reserves_nothing_keeps_its_weight() -> None:
    vms = (Vm("a", cpu=1000), Vm("b", shares=300), Vm("c"))
    found = promises.weights(HOST, POLICY, (Pool("p", shares=250),), vms)
    assert (found["vm/b"], found["vm/c"], found["pool/p"]) == (300, 100, 250)


# ---- whatever is drawn

MILLICORES = st.integers(0, 80).map(lambda tenths: tenths * 100)
PATHS = ("", "a", "a/b", "c", "not-there")
POOLS = st.lists(
    st.builds(
        Pool,
        st.sampled_from(PATHS[1:4]),
        cpu=MILLICORES,
        cpu_limit=st.sampled_from([0, 4000]),
        shares=st.sampled_from([0, 400]),
        memory=st.integers(0, 6).map(lambda size: size * GIB),
        memory_low=st.just(0),
        memory_limit=st.sampled_from([0, 4 * GIB]),
        expandable=st.booleans(),
    ),
    unique_by=lambda pool: pool.path,
)
VMS = st.lists(
    st.builds(
        Vm,
        st.sampled_from([f"vm-{number}" for number in range(8)]),
        uuid=st.just(""),
        pool=st.sampled_from(PATHS),
        vcpus=st.integers(1, 8),
        memory=st.integers(1, 64).map(lambda size: size * 128 * MIB),
        cpu=MILLICORES,
        shares=st.sampled_from([0, 0, 2, 100, 1600, 10000]),
        reserved=st.integers(0, 64).map(lambda size: size * 128 * MIB),
        huge_page=st.sampled_from([0, 0, 0, 2 * MIB, GIB]),
        dedicated=st.just(False),
        cpus=st.just(()),
    ),
    unique_by=lambda vm: vm.name,
)
POLICIES = st.builds(
    Policy,
    st.just("strict"),
    reserve_cpu=st.sampled_from([None, 100, 500]),
    reserve_memory=st.sampled_from([None, GIB]),
    vcpu_per_core=st.sampled_from([None, 2.0]),
    memory_ratio=st.sampled_from([None, 1.5]),
)


def admitted(policy: Policy, pools: list[Pool], vms: list[Vm]) -> tuple[list[Pool], list[Vm]]:
    """Those of pools and VMs that are admitted one after the other."""
    in_pools: list[Pool] = []
    for pool in sorted(pools):
        if not refused(policy=policy, pools=(*in_pools, pool), asking=(pool.resource,)):
            in_pools.append(pool)
    found: list[Vm] = []
    for vm in vms:
        if not refused(*found, vm, policy=policy, pools=tuple(in_pools), asking=(vm.resource,)):
            found.append(vm)
    return in_pools, found


@given(POLICIES, POOLS, VMS)
def test_what_is_admitted_never_passes_what_there_is(
    policy: Policy, pools: list[Pool], vms: list[Vm]
) -> None:
    pools, vms = admitted(policy, pools, vms)
    assert all(one.rest >= 0 for one in promises.sums(HOST, policy, pools, vms))
    kept = promises.reserve(HOST, policy)
    assert sum(vm.cpu for vm in vms) <= len(HOST.cpus) * CORE - kept.cpu
    held = sum(promises.memory_held(vm) for vm in vms if vm.reserved)
    assert held <= HOST.memory - kept.memory
    assert promises.free(HOST, policy, pools, vms).cpu >= 0


@given(POLICIES, POOLS, VMS)
def test_who_goes_makes_room(policy: Policy, pools: list[Pool], vms: list[Vm]) -> None:
    pools, vms = admitted(policy, pools, vms)
    for gone in vms:
        left = [vm for vm in vms if vm != gone]
        assert refused(*left, policy=policy, pools=tuple(pools)) == []


@given(POLICIES, POOLS, VMS)
def test_the_lines_of_a_sum_add_up(policy: Policy, pools: list[Pool], vms: list[Vm]) -> None:
    found = refused(*vms, policy=policy, pools=tuple(pools))
    assert all(added_up(one.message) for one in found)


def added_up(message: str) -> bool:
    """Whether the lines of a sum make its last one, and what its first line says is lacking."""
    lines = re.findall(r"^ +(-?[\d.]+) \S+  ", message, re.MULTILINE)
    *parts, left = [float(number) for number in lines]
    lacks = float(re.search(r"lacks ([\d.]+)", message)[1])
    return abs(sum(parts) - left) < 1e-6 and lacks == -left


@given(POLICIES, POOLS, VMS)
def test_each_gets_what_it_reserved_when_all_are_busy(
    policy: Policy, pools: list[Pool], vms: list[Vm]
) -> None:
    pools, vms = admitted(policy._replace(vcpu_per_core=None, memory_ratio=None), pools, vms)
    weights = promises.weights(HOST, policy, pools, vms)
    whole = len(HOST.cpus) * CORE
    kept = promises.reserve(HOST, policy).cpu
    machine = whole * weights["machine"] / (weights["machine"] + 200)
    assert machine >= (whole - kept) * 0.99
    there = [pool.path for pool in pools]
    siblings: dict[str, dict[str, int]] = {}
    holds = {**{f"pool/{p.path}": held_by(p, pools, vms) for p in pools}}
    for unit, path in [
        *((vm.resource, above(vm.pool, there)) for vm in vms),
        *((f"pool/{path}", above(path.rpartition("/")[0], there)) for path in there),
    ]:
        siblings.setdefault(path, {})[unit] = weights[unit]
    holds.update({vm.resource: vm.cpu for vm in vms})
    for path, group in siblings.items():
        has = holds[f"pool/{path}"] if path else whole - kept
        for unit, weight in group.items():
            assert 1 <= weight <= 10000
            assert has * weight / sum(group.values()) >= holds[unit] * 0.9, (unit, group)


def above(path: str, there: list[str]) -> str:
    while path and path not in there:
        path = path.rpartition("/")[0]
    return path


def held_by(pool: Pool, pools: list[Pool], vms: list[Vm]) -> int:
    """The millicores that a pool is sure of."""
    there = [one.path for one in pools]
    inside = sum(vm.cpu for vm in vms if above(vm.pool, there) == pool.path)
    inside += sum(
        held_by(one, pools, vms)
        for one in pools
        if above(one.path.rpartition("/")[0], there) == pool.path
    )
    return max(pool.cpu, inside if pool.expandable else 0)
