"""Nothing is promised any more, and nothing of it is left."""

from __future__ import annotations

testinfra_hosts = ["ansible://kvm_hosts"]


def test_no_pool_is_left(host):
    assert not host.resource_pool("gold").exists
    assert not host.resource_pool("gold").is_active


def test_the_slice_around_all_is_as_it_was(host):
    root = "/sys/fs/cgroup/machine.slice"
    assert host.check_output("cat %s/memory.min %s/cpu.weight", root, root).split() == ["0", "100"]


def test_no_hook_is_left(host):
    assert host.check_output("find /etc/libvirt/hooks -type f") == ""
    assert not host.file("/usr/local/lib/kvm-fleet/fleet").exists
