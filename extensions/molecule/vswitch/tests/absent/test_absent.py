"""The vswitches are gone; the bridge that belongs to the host stays."""

from __future__ import annotations

testinfra_hosts = ["ansible://kvm_hosts"]


def test_the_vswitches_are_gone(host):
    assert not host.vswitch("lan").exists
    assert not host.vswitch("prod").exists


def test_nothing_of_them_is_left(host):
    assert not host.interface("vs-lan").exists
    assert host.run("pgrep -f dnsmasq/lan.conf").stdout == ""
    assert "192.168.152." not in host.check_output("iptables-save")


def test_the_hosts_own_bridge_stays(host):
    assert host.interface("br-up").exists
    assert host.check_output("ls /sys/class/net/br-up/brif") == "up0"
