"""The VM is gone with its disks; one that was taken from it before is not its own any more."""

from __future__ import annotations

testinfra_hosts = ["ansible://kvm_hosts"]


def test_the_vm_is_gone(host):
    assert not host.vm("web").exists
    assert not host.cgroup_of_vm("web").exists
    assert host.vswitch("lan").members == []


def test_its_volumes_are_gone(host):
    assert host.storage_pool("images").volumes == ["web-data.qcow2"]
    assert host.file("/srv/fleet/medium.iso").exists
