"""What a host has promised, added up."""

from __future__ import annotations

from ansible_collections.kvm.fleet.plugins.module_utils.engine import promises
from ansible_collections.kvm.fleet.plugins.module_utils.engine.promises import (
    GIB,
    MIB,
    Capacity,
    Policy,
    Vm,
)

HOST = Capacity(tuple(range(8)), 16 * GIB)
POLICY = Policy(reserve_cpu=500, reserve_memory=GIB)


def needing(memory: int) -> Vm:
    """A VM that holds so much of the host's memory."""
    vm = Vm("web", memory=GIB)
    return vm._replace(reserved=memory - promises.overhead(vm))


def test_exactly_the_capacity_is_admitted_and_a_mebibyte_more_is_not() -> None:
    assert promises.refusals(HOST, POLICY, (), [needing(15 * GIB)]) == []
    [refusal] = promises.refusals(HOST, POLICY, (), [needing(15 * GIB + MIB)])
    assert (refusal.resource, refusal.field) == ("vm/web", "memory.reservation")
    assert "lacks 1 MiB" in refusal.message


def test_exactly_the_cores_are_admitted_and_a_tenth_more_is_not() -> None:
    assert promises.refusals(HOST, POLICY, (), [Vm("web", cpu=7500)]) == []
    [refusal] = promises.refusals(HOST, POLICY, (), [Vm("web", cpu=7600)])
    assert (refusal.resource, refusal.field) == ("vm/web", "cpu.reservation")
    assert "lacks 0.1 cores" in refusal.message
