"""The volumes are as declared, and guests boot from them."""

from __future__ import annotations

import pytest

testinfra_hosts = ["ansible://kvm_hosts"]

MIB = 2**20
BASE = "/srv/fleet/images/tiny.qcow2"


@pytest.mark.parametrize(
    ("pool", "name", "form", "capacity_mib", "backing"),
    [
        ("images", "tiny.qcow2", "qcow2", 64, None),
        ("images", "web.qcow2", "qcow2", 96, BASE),
        ("images", "data.raw", "raw", 32, None),
        ("fast", "db", "raw", 64, None),
    ],
)
def test_volume(host, pool, name, form, capacity_mib, backing):
    volume = host.storage_volume(pool, name)
    assert volume.exists
    assert (volume.format, volume.backing_path) == (form, backing)
    assert volume.capacity_bytes == capacity_mib * MIB


def test_the_image_is_what_was_uploaded(host):
    assert host.file(BASE).sha256sum == host.file("/srv/guest/tiny.qcow2").sha256sum


def test_the_clone_takes_little_and_the_thick_volume_all(host):
    assert host.storage_volume("images", "web.qcow2").allocation_bytes < 8 * MIB
    assert host.storage_volume("images", "data.raw").allocation_bytes >= 32 * MIB


@pytest.mark.parametrize(("name", "size_mib"), [("web", 96), ("db", 64)])
def test_a_guest_boots_from_it(guest, name, size_mib):
    guest(name).wait_ready()
    [disk] = guest(name).report()["disks"]
    assert disk["size"] == size_mib * MIB


def test_what_a_clone_gets_its_image_does_not(host, guest):
    image = host.file(BASE).sha256sum
    written = guest("web").write("vda2", 0, 100, "cloned")
    assert guest("web").checksum("vda2", 0, 100) == written
    assert guest("db").checksum("vda2", 0, 100) != written
    assert host.file(BASE).sha256sum == image
