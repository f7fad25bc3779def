"""The vswitches are as declared, and guests on them reach each other."""

from __future__ import annotations

testinfra_hosts = ["ansible://kvm_hosts"]

MAC = {"left": "52:54:00:15:02:11", "right": "52:54:00:15:02:12"}


def test_the_vswitch_behind_nat(host):
    lan = host.vswitch("lan")
    assert lan.is_active
    assert lan.is_autostart
    assert lan.mode == "nat"
    assert lan.addresses == ["192.168.152.1/24"]
    assert "192.168.152.1" in host.interface(lan.bridge).addresses
    assert lan.port_groups == ["normal", "slow"]
    assert len(lan.members) == 2


def test_the_vswitch_on_a_bridge(host):
    prod = host.vswitch("prod")
    assert prod.is_active
    assert (prod.mode, prod.bridge) == ("bridge", "br-up")
    assert len(prod.members) == 3, "two guests and the uplink"


def test_guests_have_addresses_of_the_range(host, guest):
    for name, mac in MAC.items():
        guest(name).wait_ready()
        address = guest(name).wait_address(mac)
        assert address == host.vswitch("lan").leases[mac]
        assert 100 <= int(address.rpartition(".")[2]) < 200


def test_guests_on_one_vswitch_reach_each_other(guest):
    guest("left").wait_reach(guest("right").wait_address(MAC["right"]))


def test_guests_of_two_hosts_reach_each_other(guest):
    for number in (1, 2):
        guest("left").wait_reach(f"10.15.{number}.12")


def test_guests_are_told_names(guest):
    rc, output = guest("left").shell("nslookup printer.lan.example 192.168.152.1")
    assert rc == 0, output
    assert "192.168.152.5" in output


def test_the_port_group_limits_the_guest_in_it(limits):
    assert limits("left", MAC["left"]) == {}
    assert limits("right", MAC["right"]) == {"inbound": 1024 * 8}
