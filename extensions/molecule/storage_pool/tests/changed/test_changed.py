"""Pools stop, start and move, and keep their volumes."""

from __future__ import annotations

testinfra_hosts = ["ansible://kvm_hosts"]

MIB = 2**20


def test_the_volume_group_runs_again_with_its_volume(host):
    fast = host.storage_pool("fast")
    assert fast.is_active
    assert not fast.is_autostart
    assert fast.volumes == ["data"]
    size = host.check_output("blockdev --getsize64 /dev/fleet_fast/data")
    assert int(size) == host.storage_volume("fast", "data").capacity_bytes == 64 * MIB


def test_the_share_moved_with_its_volume(host):
    assert not host.mount_point("/srv/fleet/shared").exists
    assert host.mount_point("/srv/fleet/moved").filesystem == "nfs4"
    assert host.storage_volume("shared", "data").path == "/srv/fleet/moved/data"
    assert host.file("/srv/fleet/export/data").size == 64 * MIB


def test_the_host_logged_out_of_the_target(host):
    assert not host.storage_pool("units").is_active
    assert host.storage_pool("units").exists
    assert host.run("iscsiadm --mode session").rc != 0
