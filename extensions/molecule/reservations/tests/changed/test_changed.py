"""The kernel has what was promised last.

Also after a restart of guests, of the daemon and of the host, without the collection.
"""

from __future__ import annotations

testinfra_hosts = ["ansible://kvm_hosts"]

MIB = 2**20
VMS = ("held6", "held2", "half", "shares3", "shares1", "pooled1", "pooled2")


def test_all_run(host):
    """Asked at once: a virsh for each takes half a minute on a busy emulated host."""
    assert set(host.check_output("virsh -q list --state-running --name").split()) == set(VMS)


def test_shares_are_weights(host):
    assert host.cgroup_of_vm("shares3").cpu_weight == 400
    assert host.cgroup_of_vm("shares1").cpu_weight == 100


def test_reservations_are_weights(host):
    weights = {vm: host.cgroup_of_vm(vm).cpu_weight for vm in ("held6", "held2")}
    assert abs(weights["held6"] / weights["held2"] - 6) < 0.1


def test_limits(host):
    assert host.cgroup_of_vm("half").cpu_max == 0.4
    gold = host.resource_pool("gold")
    assert gold.cpu_max == 0.3
    assert sorted(gold.members) == ["pooled1", "pooled2"]


def test_memory_is_protected_all_the_way_up(host):
    held = host.cgroup_of_vm("held6")
    assert held.memory_min_bytes > 256 * MIB
    assert held.ancestors_memory_min_bytes["machine.slice"] >= held.memory_min_bytes
