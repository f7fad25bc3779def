"""Both hosts agree on two wires, and traffic went on after one of them was pulled."""

from __future__ import annotations

import json
import re

import pytest

testinfra_hosts = ["ansible://kvm_hosts"]


@pytest.fixture
def told(host, switch):
    """What vswitch_info told of the uplinks before one was pulled."""
    return json.loads(host.check_output("cat /var/lib/switches/partners.json"))[switch]


def test_both_wires_carry_and_have_one_partner(host, switch, told):
    if switch == "linux":
        bond = "/sys/class/net/br-linux-up/bonding"
        assert host.check_output(f"cat {bond}/mode {bond}/ad_num_ports") == "802.3ad 4\n2"
        partners = {host.check_output(f"cat {bond}/ad_partner_mac")}
    else:
        said = host.check_output("ovs-appctl lacp/show")
        assert said.count(": current attached") == 2
        partners = {*re.findall("partner sys_id: (.*)", said)}
    assert [(one["link"], one["active"]) for one in told] == [("up", True)] * 2
    assert {one["partner"] for one in told} == partners
    assert partners.isdisjoint({"", "00:00:00:00:00:00"})


def test_little_was_lost(lost, switch):
    assert lost("lacp", switch) <= 5
