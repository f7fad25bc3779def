"""The lab gives what it promises, and the testinfra modules tell what is there."""

from __future__ import annotations

import pytest

testinfra_hosts = ["ansible://kvm1"]

GUESTS = ["first", "second"]
MACS = {"first": "52:54:00:15:00:01", "second": "52:54:00:15:00:02"}


def test_the_host_is_a_whole_machine(host):
    assert host.check_output("systemctl is-system-running") == "running"
    assert host.file("/dev/kvm").exists
    assert host.check_output("stat -fc %T /sys/fs/cgroup") == "cgroup2fs"


def test_declared_disk_and_nics_are_there(host):
    disk = host.check_output("lsblk --nodeps -bno SIZE /dev/disk/by-id/virtio-spare")
    assert int(disk) == 4 * 2**30
    assert "192.168.230.11" in host.interface("mgmt0").addresses
    assert host.interface("up0").exists
    assert not host.interface("up0").addresses


@pytest.mark.parametrize("other", ["kvm2", "bare1"])  # three on one network are on a switch
def test_hosts_reach_each_other_by_name(host, other):
    assert host.check_output(f"timeout 240 ssh {other} hostname") == other


@pytest.mark.parametrize("name", GUESTS)
def test_vm(host, name):
    vm = host.vm(name)
    assert vm.exists
    assert vm.is_running
    assert vm.is_persistent
    assert not vm.is_autostart
    assert vm.domain_type == "kvm"
    assert (vm.cpu_count, vm.cpu_maximum) == (1, 1)
    assert vm.memory_maximum_mib == 160
    assert vm.disk("data").source == f"shelf/{name}.qcow2"
    assert vm.disk("vda").format == "qcow2"
    assert vm.nic("lan").mac == MACS[name]
    assert vm.nic("lan").vswitch == "wire"
    assert vm.nic("lan").port_group == "plain"
    assert vm.nic("lan").link_up
    assert vm.pending_restart == []


def test_guests_see_what_was_declared_and_reach_each_other(host, guest):
    for name in GUESTS:
        report = guest(name).wait_ready()
        assert report["cpus"] == 1
    address = guest("second").wait_address(MACS["second"])
    assert address in host.vm("second").addresses
    assert address == host.vswitch("wire").leases[MACS["second"]]
    assert guest("first").wait_address(MACS["first"])
    guest("first").wait_reach(address)


def test_vswitch(host):
    wire = host.vswitch("wire")
    assert wire.exists
    assert wire.is_active
    assert wire.is_autostart
    assert wire.mode == "isolated"
    assert wire.bridge == "virbr-wire"
    assert wire.mtu == 1500
    assert wire.addresses == ["192.168.150.1/24"]
    assert wire.port_groups == ["plain"]
    assert len(wire.members) == len(GUESTS)


def test_storage(host):
    pool = host.storage_pool("shelf")
    assert pool.exists
    assert pool.is_active
    assert not pool.is_autostart
    assert pool.type == "dir"
    assert pool.path == "/var/lib/libvirt/shelf"
    assert pool.volumes == ["first.qcow2", "second.qcow2"]
    assert 0 < pool.available_bytes < pool.capacity_bytes
    volume = host.storage_volume("shelf", "first.qcow2")
    assert volume.exists
    assert volume.format == "qcow2"
    assert volume.capacity_bytes == 64 * 2**20
    assert volume.allocation_bytes < volume.capacity_bytes
    assert volume.path == "/var/lib/libvirt/shelf/first.qcow2"
    assert volume.backing_path is None


def test_cgroup(host):
    cgroup = host.cgroup_of_vm("first")
    assert cgroup.exists
    assert cgroup.path.endswith("first.scope")
    assert cgroup.cpu_weight == 100
    assert cgroup.memory_min_bytes == 0
    assert cgroup.memory_max_bytes is None
    assert cgroup.cpu_limit() is None
    assert cgroup.cpu_max is None
    assert cgroup.allowed_cpus == cgroup.vcpu_cpus(0) == cgroup.emulator_cpus
    assert cgroup.memory_current_bytes > 0
    assert cgroup.resident_bytes > 0
    assert cgroup.cpu_usage_us > 0
    assert set(cgroup.ancestors_memory_min_bytes) == {"machine.slice"}
    assert "some_avg10" in cgroup.pressure("memory")


def test_resource_pool(host):
    """What there is of a pool that nobody made."""
    pool = host.resource_pool("gold/my-pool")
    name = host.check_output("systemd-escape my-pool")
    assert pool.unit == f"machine-gold-{name}.slice"
    assert not pool.exists
    assert not pool.is_active
    assert pool.declared.memory_max_bytes is None
    assert pool.members == []


def test_changes_that_wait_for_a_restart_are_told(host):
    host.check_output("virsh -q setvcpus first 2 --config --maximum")
    try:
        assert host.vm("first").pending_restart == ["cpu_maximum"]
    finally:
        host.check_output("virsh -q setvcpus first 1 --config --maximum")


def test_a_running_change_is_seen(host):
    host.check_output("virsh -q schedinfo first --live cpu_shares=300")
    host.check_output("virsh -q domif-setlink first %s down", MACS["first"])
    try:
        assert host.cgroup_of_vm("first").cpu_weight == 300
        assert not host.vm("first").nic("lan").link_up
    finally:
        host.check_output("virsh -q schedinfo first --live cpu_shares=100")
        host.check_output("virsh -q domif-setlink first %s up", MACS["first"])


def test_what_is_not_there_does_not_exist(host):
    assert not host.vm("absent").exists
    assert not host.vm("absent").is_running
    assert not host.vswitch("absent").exists
    assert not host.vswitch("absent").is_active
    assert not host.storage_pool("absent").exists
    assert not host.storage_volume("absent", "any").exists
    assert not host.storage_volume("shelf", "absent").exists
    assert not host.cgroup_of_vm("absent").exists


def test_wrong_expectations_fail(host):
    """A verifier that cannot fail proves nothing."""
    with pytest.raises(AssertionError):
        assert host.vm("first").cpu_count == 3
    with pytest.raises(AssertionError, match="there is no disk root, but data"):
        host.vm("first").disk("root")
    with pytest.raises(AssertionError, match="failed to get domain"):
        assert host.vm("absent").cpu_count == 1
    with pytest.raises(AssertionError, match="does not run"):
        assert host.cgroup_of_vm("absent").cpu_weight == 100
