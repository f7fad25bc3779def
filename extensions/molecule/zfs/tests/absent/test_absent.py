"""The pools are gone, and what was stored in them stays."""

from __future__ import annotations

testinfra_hosts = ["ansible://kvm_hosts"]


def test_the_pools_are_gone(host):
    assert not host.storage_pool("tank").exists
    assert not host.storage_pool("below").exists


def test_what_was_stored_stays(host):
    volumes = host.check_output("zfs list -Ho name -t volume").split()
    assert sorted(volumes) == [
        *("fleet-tank/apple", "fleet-tank/below/data", "fleet-tank/below/zebra"),
        *("fleet-tank/data", "fleet-tank/mover-root.raw", "fleet-tank/zero"),
    ]
