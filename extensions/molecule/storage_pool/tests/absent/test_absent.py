"""The pools are gone, and what was stored in them stays."""

from __future__ import annotations

import pytest

testinfra_hosts = ["ansible://kvm_hosts"]


@pytest.mark.parametrize("name", ["fast", "shared", "units"])
def test_the_pool_is_gone(host, name):
    assert not host.storage_pool(name).exists


def test_nothing_of_them_is_in_use(host):
    assert not host.mount_point("/srv/fleet/moved").exists
    assert not host.file("/dev/fleet_fast/data").exists


def test_what_was_stored_stays(host):
    assert host.file("/srv/fleet/export/data").exists
    volumes = host.check_output("lvs --noheadings -o lv_name fleet_fast")
    assert volumes.strip() == "data"
