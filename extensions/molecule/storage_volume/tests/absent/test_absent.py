"""The volumes are gone, but the one that nobody declared absent."""

from __future__ import annotations

testinfra_hosts = ["ansible://kvm_hosts"]


def test_their_files_are_gone(host):
    assert host.file("/srv/fleet/images").listdir() == ["data.raw"]


def test_the_logical_volume_is_gone(host):
    assert host.check_output("lvs --noheadings fleet_fast") == ""


def test_the_pools_know_it(host):
    assert host.storage_pool("images").volumes == ["data.raw"]
    assert host.storage_pool("fast").volumes == []
