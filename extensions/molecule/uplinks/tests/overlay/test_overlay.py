"""Port groups that span hosts by tunnels: who reaches whom, and what is on the wire."""

from __future__ import annotations

import pytest

testinfra_hosts = ["ansible://kvm1"]

# The network of the guests, the port of the host that tunnels leave by, and their UDP port.
OVERLAYS = {
    "over-linux": ("10.10.4", "linux30", 4789),
    "over-open": ("10.10.5", "open30", 4790),
}


@pytest.fixture(params=OVERLAYS)
def name(request):
    return request.param


def test_the_switch_says_who_its_peers_are(host, name):
    assert host.vswitch(name).peers == [f"10.30.{1 + list(OVERLAYS).index(name)}.2"]


def test_guests_in_one_vlan_reach_each_other_over_the_hosts(guest, name):
    guest("over1").wait_reach(f"{OVERLAYS[name][0]}.12")


def test_guests_in_different_vlans_do_not(guest, name):
    assert guest("over1").ping(f"{OVERLAYS[name][0]}.22") == 0


def test_all_between_the_hosts_is_their_tunnel(host, guest, name):
    """Not one packet of the guests' network is seen beside it, and none has a tag outside."""
    network, port, udp = OVERLAYS[name]
    host.check_output(
        f"systemd-run --quiet --collect --unit=capture-{port} timeout 120"
        f" tcpdump -c 20 -w /run/frames-{port} -i {port} 'udp port {udp} or net {network}.0/24'"
    )
    guest("over1").wait_reach(f"{network}.12")
    host.check_output(f"sleep 2; systemctl stop capture-{port}; true")
    counted = {
        what: int(host.check_output(f"tcpdump --count -r /run/frames-{port} '{what}'").split()[0])
        for what in (f"udp port {udp}", f"not udp port {udp}", "vlan")
    }
    assert counted.pop(f"udp port {udp}") > 0
    assert not any(counted.values()), counted
