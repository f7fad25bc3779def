"""The VM lives on the second host, and its guest noticed nothing."""

from __future__ import annotations

testinfra_hosts = ["ansible://kvm2"]

# A guest's pause is some hundred milliseconds; an emulated host that is busy adds seconds to it.
SILENCE_S = 60


def test_it_starts_with_its_host_as_before(host):
    assert host.vm("web").is_autostart


def test_no_write_was_lost(counts_on):
    counts_on("web")


def test_it_is_reached_from_here(guest):
    guest("web").wait_reach("10.16.0.1")


def test_the_move_was_told(told):
    statistics = told("web")["statistics"]
    assert (told("web")["mode"]["name"], told("web")["mode"]["storage"]) == ("live", "shared")
    assert 0 <= statistics["downtime_ms"] <= statistics["total_ms"]
    assert statistics["downtime_ms"] < SILENCE_S * 1000
