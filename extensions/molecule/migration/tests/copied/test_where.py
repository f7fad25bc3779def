"""Where VMs live, asked on each host."""

from __future__ import annotations

testinfra_hosts = ["ansible://kvm_hosts"]


def test_each_is_on_one_host(lives):
    lives("web", "kvm1", "running")
    lives("own", "kvm2", "running")
    lives("cold", "kvm1", "shut off")
