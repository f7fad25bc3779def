"""The vswitch changed under its guests, and they are still on it."""

from __future__ import annotations

testinfra_hosts = ["ansible://kvm_hosts"]

MAC = {"left": "52:54:00:15:02:11", "right": "52:54:00:15:02:12"}


def test_the_bridge_has_the_mtu(host):
    lan = host.vswitch("lan")
    assert lan.is_active
    assert lan.mtu == 1400
    assert len(lan.members) == 2


def test_a_guest_gets_its_reserved_address(guest):
    guest("right").renew_dhcp("eth0")
    guest("right").wait_report(lambda report: "192.168.152.12/24" in report["nics"][0]["addresses"])


def test_guests_still_reach_each_other(guest):
    guest("left").wait_reach("192.168.152.12")


def test_the_new_name_is_known_beside_the_former(guest):
    for name, address in {"printer": "192.168.152.5", "scanner": "192.168.152.6"}.items():
        rc, output = guest("left").shell(f"nslookup {name}.lan.example 192.168.152.1")
        assert rc == 0, output
        assert address in output


def test_the_limit_of_the_port_group_reached_the_guest_in_it(limits):
    assert limits("left", MAC["left"]) == {}
    assert limits("right", MAC["right"]) == {"inbound": 2048 * 8}
