"""The pools are gone, and what was stored in them stays."""

from __future__ import annotations

import pytest

testinfra_hosts = ["ansible://kvm_hosts"]

POOLS = ["fast", "shared", "units", "locked", "array", "parts", "formatted"]


@pytest.mark.parametrize("name", POOLS)
def test_the_pool_is_gone(host, name):
    assert not host.storage_pool(name).exists


def test_nothing_of_them_is_in_use(host):
    assert not host.mount_point("/srv/fleet/moved").exists
    assert not host.mount_point("/srv/fleet/formatted").exists
    assert not host.file("/dev/fleet_fast/data").exists
    assert host.run("iscsiadm --mode session").rc != 0


def test_what_was_stored_stays(host):
    assert host.file("/srv/fleet/export/data").exists
    volumes = host.check_output("lvs --noheadings -o lv_name fleet_fast").split()
    assert volumes == ["data", "mover-root.raw"], "the second as a move left it"
    for disk, column, has in (("/dev/sdb", "FSTYPE", "ext4"), ("/dev/vdc", "PTTYPE", "gpt")):
        told = host.check_output("lsblk --noheadings --nodeps --output %s %s", column, disk)
        assert told.strip() == has
