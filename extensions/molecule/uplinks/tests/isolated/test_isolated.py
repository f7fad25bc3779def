"""Guests in isolated port groups reach those of another host by the wires, and none beside them."""

from __future__ import annotations

import pytest

testinfra_hosts = ["ansible://kvm_hosts"]

NETWORKS = {"linux": "10.10.1", "open": "10.10.2"}


@pytest.fixture
def number(host):
    return int(host.check_output("uname -n")[-1])


@pytest.mark.parametrize(("who", "whom"), [("web", 5), ("slow", 1)])
def test_guests_of_one_host_do_not_reach_each_other(guest, number, switch, who, whom):
    one = guest(f"{who}{number}")
    one.wait_reach(f"{NETWORKS[switch]}.1{3 - number}")
    assert one.ping(f"{NETWORKS[switch]}.{whom}{number}") == 0
