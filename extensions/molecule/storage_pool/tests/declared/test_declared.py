"""Pools are as declared, stand on what was declared, and a guest keeps in them what it writes."""

from __future__ import annotations

import pytest

testinfra_hosts = ["ansible://kvm_hosts"]

MIB = 2**20
BLOCKS = 100  # of 4 KiB


@pytest.mark.parametrize(
    ("name", "kind", "path", "autostart"),
    [
        ("fast", "logical", "/dev/fleet_fast", True),
        ("shared", "netfs", "/srv/fleet/shared", True),
        ("units", "iscsi", "/dev/disk/by-path", False),
        ("locked", "iscsi", "/dev/disk/by-path", False),
        ("array", "scsi", "/dev/disk/by-id", False),
        ("parts", "disk", "/dev", True),
        ("formatted", "fs", "/srv/fleet/formatted", False),
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


def test_the_host_is_logged_in_to_the_targets(host):
    sessions = host.check_output("iscsiadm --mode session")
    for pool in ("units", "locked"):
        assert f"iqn.2026-01.fleet.kvm.lab:{pool}" in sessions
        [unit] = host.storage_pool(pool).volumes
        assert host.storage_volume(pool, unit).capacity_bytes == 64 * MIB


def test_the_login_was_by_the_secret(host):
    node = host.check_output("iscsiadm --mode node --targetname iqn.2026-01.fleet.kvm.lab:locked")
    assert "node.session.auth.authmethod = CHAP" in node
    assert "node.session.auth.username = fleet" in node


def test_the_adapter_has_its_disks(host):
    assert host.storage_pool("array").volumes == ["unit:0:1:0", "unit:0:1:1"]


def test_the_other_disk_has_a_table_of_partitions(host):
    table = host.check_output("lsblk --noheadings --output PTTYPE,TYPE,SIZE --bytes /dev/vdc")
    disk, part = (line.split() for line in table.splitlines())
    assert (disk[:2], part[:2]) == (["gpt", "disk"], ["gpt", "part"])
    assert abs(int(part[2]) - 64 * MIB) <= 8 * MIB


def test_the_file_system_was_made_and_mounted(host):
    mount = host.mount_point("/srv/fleet/formatted")
    assert (mount.filesystem, mount.device) == ("ext4", "/dev/sdb")


SEEN_BY_THE_HOST = {
    "fast": "/dev/fleet_fast/data",
    "shared": "/srv/fleet/export/data",
    "units": "/var/lib/fleet-disks/unit",
    "locked": "/var/lib/fleet-disks/vault",
    "array": "/var/lib/fleet-disks/first",
    "parts": "/dev/vdc1",
    "formatted": "/srv/fleet/formatted/data",
}


def test_what_the_guest_writes_is_in_the_pools(host, guest):
    """Each disk has a pattern of its own, by what the guest reads, and by what its server has."""
    prober = guest("prober")
    prober.wait_ready()
    for name, path in SEEN_BY_THE_HOST.items():
        written = prober.write(name, 0, BLOCKS, f"pattern-{name}")
        assert prober.checksum(name, 0, BLOCKS) == written, name
        copied = f"dd if={path} bs=4096 count={BLOCKS} iflag=direct status=none | sha256sum"
        assert host.check_output(copied).split()[0] == written, name
