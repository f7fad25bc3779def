"""What gets through by a NIC in a strict port group: what is the guest's own, and no more."""

from __future__ import annotations

import pytest

testinfra_hosts = ["ansible://kvm_hosts"]

OFFER = """
cat >/tmp/udhcpd.conf <<'END'
interface {nic}
start 10.10.3.200
end 10.10.3.210
lease_file /tmp/udhcpd.leases
pidfile /tmp/udhcpd.pid
END
>/tmp/udhcpd.leases
setsid udhcpd -f /tmp/udhcpd.conf >/dev/null 2>&1 </dev/null &
sleep 1
"""
ASK = "udhcpc -i eth0 -f -n -q -t 4 -T 3 -s /bin/busybox"


@pytest.fixture
def number(host):
    return int(host.check_output("uname -n")[-1])


@pytest.fixture
def strict(guest, number):
    """The guest, whose third NIC is in the group."""
    return guest(f"slow{number}")


@pytest.fixture
def other(guest, number):
    """Who is in the same VLAN, on the same host, and in no group of that kind."""
    guest(f"web{number}").shell(f"ip address replace 10.10.3.1{number}/24 dev eth0")
    return guest(f"web{number}")


def received(guest, number, source):
    rc, said = guest.shell(f"ping -c 3 -W 3 -I {source} 10.10.3.1{number}")
    assert " packets received" in said, (rc, said)
    return int(said.split(" packets received")[0].split()[-1])


def test_the_switch_says_so(host):
    assert host.vswitch("linux").port_group("tenants").security == "strict"


@pytest.mark.usefixtures("other")
def test_a_guest_is_reached_by_its_own_address(strict, number):
    strict.wait_reach(f"10.10.3.1{number}")


@pytest.mark.usefixtures("other")
def test_by_the_address_of_another_nothing_gets_through(strict, number):
    strict.shell("ip address add 10.10.3.99/24 dev eth2")
    assert received(strict, number, "10.10.3.99") == 0
    strict.shell("ip address del 10.10.3.99/24 dev eth2")
    assert received(strict, number, f"10.10.3.5{number}") > 0


@pytest.mark.usefixtures("other")
def test_by_the_mac_of_another_nothing_gets_through(strict, number):
    mac = "ip link set eth2 down; ip link set eth2 address 52:54:00:16:03:{}; ip link set eth2 up"
    strict.shell(mac.format("99"))
    assert received(strict, number, "eth2") == 0
    strict.shell(mac.format(f"5{number}"))
    strict.wait_reach(f"10.10.3.1{number}")


@pytest.mark.parametrize(("nic", "is_led_on"), [("eth0", True), ("eth2", False)])
def test_nobody_gets_an_address_from_it(strict, other, nic, is_led_on):
    strict.shell(OFFER.format(nic=nic))
    rc, said = other.shell(ASK)
    strict.shell("kill $(cat /tmp/udhcpd.pid)")
    assert (rc == 0) is is_led_on, said
