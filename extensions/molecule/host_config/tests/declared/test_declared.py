"""The host carries what was declared, made in an order that works."""

from __future__ import annotations

import pytest

testinfra_hosts = ["ansible://kvm_hosts"]

MIB = 2**20


def test_the_pool_has_the_image_and_the_disks(host):
    pool = host.storage_pool("images")
    assert pool.is_active
    assert pool.volumes == ["cache-root.qcow2", "db-root.qcow2", "tiny.qcow2", "web-root.qcow2"]


@pytest.mark.parametrize(
    ("volume", "backing", "capacity_mib"),
    [
        ("web-root.qcow2", "/srv/fleet/images/tiny.qcow2", 96),
        ("cache-root.qcow2", "/srv/fleet/images/tiny.qcow2", 64),
        ("db-root.qcow2", None, 64),
    ],
)
def test_disks_are_clones_and_copies(host, volume, backing, capacity_mib):
    disk = host.storage_volume("images", volume)
    assert (disk.backing_path, disk.capacity_bytes) == (backing, capacity_mib * MIB)


def test_vswitches(host):
    assert host.vswitch("lan").is_active
    assert host.vswitch("backend").is_active
    assert host.vswitch("backend").mode == "isolated"


def test_vms(host):
    states = {name: host.vm(name).state for name in ("web", "cache", "db")}
    assert states == {"web": "running", "cache": "shut off", "db": "shut off"}


def test_the_guest_boots_from_its_clone(host, guest):
    assert guest("web").wait_ready()["cpus"] == 1
    [disk] = guest("web").report()["disks"]
    assert disk["size"] == 96 * MIB
    address = guest("web").wait_address()
    assert address in host.vm("web").addresses
