"""All that was declared is gone, and nothing else."""

from __future__ import annotations

testinfra_hosts = ["ansible://kvm_hosts"]


def test_nothing_declared_is_left(host):
    assert host.check_output("virsh -q list --all --name").split() == ["by-hand"]
    assert host.check_output("virsh -q net-list --all --name").split() == ["default"]
    assert host.check_output("virsh -q pool-list --all --name").split() == []


def test_the_volumes_are_gone(host):
    assert host.file("/srv/fleet/images").listdir() == []
