"""Where memory is short, a VM with a reservation keeps its pages, and one without does not."""

from __future__ import annotations

testinfra_hosts = ["ansible://kvm_hosts"]

FILLED_MIB = 160


def test_reserved_pages_stay(measured):
    held = measured("pressure")["held6"]
    assert held["before"]["current"] > FILLED_MIB
    assert held["after"]["swapped"] == 0
    assert held["after"]["current"] >= held["before"]["current"] - 4
    assert held["after"]["resident"] >= held["before"]["resident"] - 4


def test_others_are_taken(measured):
    other = measured("pressure")["shares1"]
    lost = other["before"]["current"] - other["after"]["current"]
    assert lost >= 20 or other["after"]["swapped"] >= 20, other
