"""What the VM is promised is enforced where it lives now, and kept free no longer where it was."""

from __future__ import annotations

import pytest

testinfra_hosts = ["ansible://kvm_hosts"]

ROOT = "/sys/fs/cgroup/machine.slice"


@pytest.fixture
def is_here(host):
    return host.check_output("uname -n") == "kvm2"


def test_memory_is_protected_where_it_lives_alone(host, is_here):
    web = host.cgroup_of_vm("web")
    assert web.exists is is_here
    least = web.memory_min_bytes if is_here else 0
    assert (least > 128 * 2**20) is is_here
    assert host.check_output("cat %s/memory.min", ROOT) == str(least)


def test_the_hook_had_no_faults(host):
    assert host.run("cat /run/kvm-fleet/faults").stdout == ""
