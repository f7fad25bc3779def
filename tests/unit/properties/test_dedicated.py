"""CPUs of VMs' own on a host with eight on two NUMA nodes, whatever is declared after another."""

from __future__ import annotations

from typing import Any

from hypothesis import event, given
from hypothesis import strategies as st

from ansible_collections.kvm.fleet.plugins.module_utils.engine.cpu_lists import cpus_in
from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import FleetErrors
from ansible_collections.kvm.fleet.plugins.module_utils.engine.nodes import Cell
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import Have, Plan
from ansible_collections.kvm.fleet.plugins.module_utils.engine.promises import (
    GIB,
    Capacity,
    Policy,
    fences,
)
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.together.admission import admitted
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm import tree
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.pinning import iothreads_of
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.promised import promise_of
from ansible_collections.kvm.fleet.plugins.module_utils.run import host_config
from ansible_collections.kvm.fleet.plugins.module_utils.run.planning import plan_all
from support import worlds

CELLS = [Cell(0, 8 * GIB, [[0, 1], [2, 3]]), Cell(1, 8 * GIB, [[4, 5], [6, 7]])]
CPUS = tuple(range(8))
HOST = Capacity(CPUS, 16 * GIB, cells=((0, CPUS[:4], 8 * GIB), (1, CPUS[4:], 8 * GIB)))
FACTS: dict[Any, Any] = {
    ("cells",): CELLS,
    ("capacity",): HOST,
    ("promises",): {"policy": Policy()._asdict(), "error": "", "cgroup": 2, "faults": []},
}
LISTS = st.sampled_from(["0", "1", "2-3", "5", "0-7", "6,7", ""])
PINNING = st.fixed_dictionaries(
    {},
    optional={
        "vcpus": st.dictionaries(st.sampled_from("0123"), LISTS.filter(bool), max_size=3),
        "emulator": LISTS,
        "iothreads": st.dictionaries(st.sampled_from("12"), LISTS.filter(bool), max_size=2),
    },
)
CPU = st.fixed_dictionaries(
    {},
    optional={
        "count": st.integers(1, 3),
        "maximum": st.integers(1, 5),
        "dedicated": st.booleans(),
        "reservation": st.sampled_from([0, 0.5, 2]),
        "pinning": PINNING,
    },
)
THREADS = st.sampled_from([None, None, "", "<iothreads>2</iothreads>"])
VM = st.fixed_dictionaries(
    {"name": st.sampled_from("abc"), "cpu": CPU, "extra_xml": THREADS},
    optional={"state": st.sampled_from(["absent", "stopped"])},
)
STEPS = st.lists(st.lists(VM, min_size=1, max_size=2, unique_by=lambda vm: vm["name"]), max_size=7)


def plans(there: dict[str, Have], vms: list[dict[str, Any]]) -> list[Plan]:
    said = [{"memory": {"size": "64MiB"}, **vm} for vm in vms]
    spec = {**dict.fromkeys(host_config.SPEC), "prune": False, "vms": said}
    world = worlds.world({"vm": there}, FACTS)
    return plan_all(world, host_config.parse(spec), rules_of_changes=lambda: (admitted,))


def as_it_is_then(there: dict[str, Have], planned: list[Plan]) -> dict[str, Have]:
    after = {**there, **{plan.wanted.name: plan.after for plan in planned}}
    return {name: have for name, have in after.items() if have.exists}


def look_at(there: dict[str, Have]) -> None:
    """Nobody has what is another's, all other threads have a place, and the host has one too."""
    promises = [promise_of(have.definition) for have in there.values()]
    own = {one.name: set(one.cpus) for one in promises if one.dedicated}
    assert sum(map(len, own.values())) == len(set().union(*own.values())) < len(CPUS)
    for name, cpus in own.items():
        values = tree.domain_values(there[name].definition)
        assert len(cpus) == values[("cpu", "maximum")]
        others = [values[("cpu", "pinning", "emulator")]]
        pinned = values[("cpu", "pinning", "iothreads")]
        others += [pinned.get(one, "") for one in iothreads_of(there[name].definition)]
        assert all(cpus_in(one) and not cpus_in(one) & cpus for one in others)
    for name, allowed in fences(HOST, promises).items():
        assert not set(allowed) & set().union(*(own[one] for one in own if one != name[3:]))
        assert own.get(name[3:], set()) <= set(allowed)


@given(STEPS)
def test_nobody_has_the_cpus_of_another(steps: list[list[dict[str, Any]]]) -> None:
    there: dict[str, Have] = {}
    refused = 0
    for vms in steps:
        try:
            planned = plans(there, vms)
        except FleetErrors:
            refused += 1
            continue
        there = as_it_is_then(there, planned)
        look_at(there)
        assert not any(plan.changed for plan in plans(there, vms))
    event(f"{refused} of {len(steps)} refused")
