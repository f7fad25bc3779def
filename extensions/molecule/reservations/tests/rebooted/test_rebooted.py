"""After the host's restart, guests that are busy get what was promised before it."""

from __future__ import annotations

testinfra_hosts = ["ansible://kvm_hosts"]

TENTH = 0.1


def test_reservations(measured):
    window = measured("contention")["all"]
    assert window["used"]["held6"] >= 0.6 * window["host"] * (1 - TENTH)
    assert window["used"]["held2"] >= 0.1 * window["host"] * (1 - TENTH)


def test_limits(measured):
    for name, vms, limit in (("limit", ["half"], 0.4), ("pool", ["pooled1", "pooled2"], 0.3)):
        window = measured("contention")[name]
        found = sum(window["used"][vm] for vm in vms)
        assert limit * window["host"] * (1 - TENTH) <= found
        assert found <= limit * window["seconds"] * (1 + TENTH)


def test_the_hook_had_no_faults(host):
    assert host.run("cat /run/kvm-fleet/faults").stdout == ""
