"""Pools of ZFS are as declared, and a guest keeps in their volumes what it writes."""

from __future__ import annotations

import pytest

testinfra_hosts = ["ansible://kvm_hosts"]

MIB = 2**20
BLOCKS = 100  # of 4 KiB
DATA_SETS = {"tank": "fleet-tank", "below": "fleet-tank/below"}


@pytest.mark.parametrize(("name", "autostart"), [("tank", True), ("below", False)])
def test_pool(host, name, autostart):
    pool = host.storage_pool(name)
    assert pool.is_active
    assert (pool.type, pool.path, pool.is_autostart) == (
        *("zfs", f"/dev/zvol/{DATA_SETS[name]}"),
        autostart,
    )


def test_the_disk_became_a_zpool(host):
    devices = host.check_output("zpool list -vHLP -o name fleet-tank")
    disk = host.file("/dev/disk/by-id/virtio-spare").linked_to
    assert disk in devices
    assert host.check_output("zfs get -Ho value mountpoint fleet-tank/below") == "none"


@pytest.mark.parametrize(
    ("volume", "mib"),
    [
        *(("fleet-tank/zero", 32), ("fleet-tank/data", 64)),
        *(("fleet-tank/below/zebra", 16), ("fleet-tank/below/data", 48)),
    ],
)
def test_volume(host, volume, mib):
    said = host.check_output("zfs get -Hpo value volsize,refreservation %s", volume)
    size, reserved = map(int, said.split())
    assert size == mib * MIB <= reserved, "its space is kept for it"


def test_what_the_guest_writes_is_in_the_pools(host, guest):
    prober = guest("prober")
    prober.wait_ready()
    for name, data_set in DATA_SETS.items():
        written = prober.write(name, 0, BLOCKS, f"pattern-{name}")
        assert prober.checksum(name, 0, BLOCKS) == written, name
        copied = f"dd if=/dev/zvol/{data_set}/data bs=4096 count={BLOCKS} status=none | sha256sum"
        assert host.check_output(copied).split()[0] == written, name
