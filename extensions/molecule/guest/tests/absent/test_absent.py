"""Nothing is left of the VM and its seed."""

from __future__ import annotations

testinfra_hosts = ["ansible://kvm_hosts"]


def test_vm_and_seed_are_gone(host):
    assert not host.vm("web").exists
    assert host.check_output("ls /srv/fleet/images") == "debian-12.qcow2"
