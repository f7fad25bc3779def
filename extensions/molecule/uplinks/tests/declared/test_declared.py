"""VLANs hold over the wires between two hosts, for both types of switch."""

from __future__ import annotations

testinfra_hosts = ["ansible://kvm1"]

NETWORKS = {"linux": "10.10.1", "open": "10.10.2"}
WIRES = {"linux": ["up0", "up1"], "open": ["up2", "up3"]}


def test_the_switch_is_as_declared(host, switch):
    found = host.vswitch(switch)
    assert (found.is_active, found.is_autostart) == (True, True)
    assert found.uplinks == WIRES[switch]
    groups = {name: found.port_group(name) for name in found.port_groups}
    assert {name: group.vlan for name, group in groups.items()} == {
        **{"web": 10, "slow": 10, "db": 20},
        "carrier": None,
        **({"tenants": 10} if switch == "linux" else {}),
    }
    assert groups["carrier"].trunk == [10, 20]


def test_guests_in_one_vlan_reach_each_other(guest, switch):
    guest("web1").wait_reach(f"{NETWORKS[switch]}.12")


def test_guests_in_different_vlans_do_not(guest, switch):
    assert guest("web1").ping(f"{NETWORKS[switch]}.22") == 0


def test_a_guest_on_a_trunk_sees_both(guest, switch):
    nic = {"linux": "eth0", "open": "eth1"}[switch]
    for vlan, there in ((10, 12), (20, 22)):
        rc, said = guest("carrier1").shell(
            f"ip link add link {nic} name {nic}.{vlan} type vlan id {vlan};"
            f"ip address flush dev {nic}.{vlan};"
            f"ip address add {NETWORKS[switch]}.{30 + vlan}/24 dev {nic}.{vlan};"
            f"ip link set {nic} up; ip link set {nic}.{vlan} up;"
            f"for try in 1 2 3 4 5 6 7 8 9; do"
            f"  ping -c 1 -W 5 -I {nic}.{vlan} {NETWORKS[switch]}.{there} && break; done;"
            f"ip link del {nic}.{vlan}"
        )
        assert " 0% packet loss" in said, (rc, said)


def test_frames_carry_the_tag_on_a_wire(host, guest, switch):
    for wire in WIRES[switch]:
        host.check_output(
            f"systemd-run --quiet --collect --unit=capture-{wire} timeout 120"
            f" tcpdump -c 1 -e -n -w /run/frame-{wire} -i {wire} 'vlan 10 and icmp'"
        )
    guest("web1").wait_reach(f"{NETWORKS[switch]}.12")
    said = ""
    for wire in WIRES[switch]:
        said += host.check_output(
            f"sleep 2; systemctl stop capture-{wire}; tcpdump -e -n -r /run/frame-{wire}; true"
        )
    assert "vlan 10" in said, said


def test_the_host_is_on_both_with_ports_of_its_own(host, switch):
    address = {"linux": "10.30.1.2", "open": "10.30.2.2"}[switch]
    assert host.run("ping -c 3 -W 5 %s", address).rc == 0
