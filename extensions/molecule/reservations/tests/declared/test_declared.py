"""The kernel has what was promised."""

from __future__ import annotations

testinfra_hosts = ["ansible://kvm_hosts"]

MIB = 2**20


def test_shares_are_weights(host):
    assert host.cgroup_of_vm("shares3").cpu_weight == 300
    assert host.cgroup_of_vm("shares1").cpu_weight == 100


def test_reservations_are_weights_of_which_each_is_enough(host):
    weights = {vm: host.cgroup_of_vm(vm).cpu_weight for vm in ("held6", "held2", "half", "shares3")}
    assert abs(weights["held6"] / weights["held2"] - 3) < 0.02
    # Of the 0.9 cores that machine.slice has, the others get what is not reserved: 0.1.
    others = 500 + 300 + 100 + 300
    assert weights["held6"] / (weights["held6"] + weights["held2"] + others) >= 0.66
    assert weights["half"] == 500


def test_limits(host):
    assert host.cgroup_of_vm("half").cpu_max == 0.5
    gold = host.resource_pool("gold")
    assert gold.cpu_max == 0.2
    assert sorted(gold.members) == ["pooled1", "pooled2"]


def test_memory_is_protected_all_the_way_up(host):
    held = host.cgroup_of_vm("held6")
    assert held.memory_min_bytes > 256 * MIB
    assert set(held.ancestors_memory_min_bytes) == {"machine.slice"}
    assert held.ancestors_memory_min_bytes["machine.slice"] >= held.memory_min_bytes
    assert host.cgroup_of_vm("shares1").memory_min_bytes == 0
