"""While all are busy, each gets what it was promised, within a tenth.

Shares of the time that the kernel had to divide: an emulated host is itself not given all the time
that passes.
"""

from __future__ import annotations

testinfra_hosts = ["ansible://kvm_hosts"]

TENTH = 0.1


def is_about(found: float, expected: float) -> bool:
    return abs(found - expected) <= expected * TENTH


def test_shares(measured):
    used = measured("contention")["shares"]["used"]
    assert is_about(used["shares3"] / used["shares1"], 3)


def test_reservations(measured):
    used = measured("contention")["reservations"]["used"]
    assert is_about(used["held6"] / used["held2"], 3)


def test_a_reservation_is_had_beside_five_others(measured):
    window = measured("contention")["all"]
    assert window["used"]["held6"] >= 0.6 * window["host"] * (1 - TENTH)
    assert window["used"]["held2"] >= 0.2 * window["host"] * (1 - TENTH)
    assert is_about(window["used"]["held6"] / window["used"]["held2"], 3)


def test_limits(measured):
    """Without a limit they would take five sixths and three quarters."""
    for name, vms, limit in (("limit", ["half"], 0.5), ("pool", ["pooled1", "pooled2"], 0.4)):
        window = measured("contention")[name]
        found = sum(window["used"][vm] for vm in vms)
        # A host that is given less time than passes fills up limits late.
        assert limit * window["host"] * (1 - TENTH) <= found
        assert found <= limit * window["seconds"] * (1 + TENTH)
