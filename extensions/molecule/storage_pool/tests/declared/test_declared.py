"""Pools are as declared, and stand on what was declared."""

from __future__ import annotations

import pytest

testinfra_hosts = ["ansible://kvm_hosts"]

MIB = 2**20


@pytest.mark.parametrize(
    ("name", "kind", "path", "autostart"),
    [
        ("fast", "logical", "/dev/fleet_fast", True),
        ("shared", "netfs", "/srv/fleet/shared", True),
        ("units", "iscsi", "/dev/disk/by-path", False),
    ],
)
def test_pool(host, name, kind, path, autostart):
    pool = host.storage_pool(name)
    assert pool.is_active
    assert (pool.type, pool.path, pool.is_autostart) == (kind, path, autostart)


def test_the_disk_became_a_volume_group(host):
    disk = host.file("/dev/disk/by-id/virtio-spare").linked_to
    assert host.check_output("vgs --noheadings -o pv_name fleet_fast").strip() == disk
    size = int(host.check_output("blockdev --getsize64 %s", disk))
    assert size - 8 * MIB <= host.storage_pool("fast").capacity_bytes < size


def test_the_share_is_mounted(host):
    mount = host.mount_point("/srv/fleet/shared")
    assert (mount.filesystem, mount.device) == ("nfs4", "localhost:/srv/fleet/export")
    assert "vers=4.2" in mount.options
    host.check_output("touch /srv/fleet/export/seen")
    assert host.file("/srv/fleet/shared/seen").exists


def test_the_host_is_logged_in_to_the_target(host):
    assert "iqn.2026-01.fleet.kvm.lab:units" in host.check_output("iscsiadm --mode session")
    [unit] = host.storage_pool("units").volumes
    assert host.storage_volume("units", unit).capacity_bytes == 64 * MIB
