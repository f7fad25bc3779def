"""Bridges of Linux that a real NetworkManager keeps, in namespaces of their own.

Where the kernel has no VLANs on bridges, no bonds or no VLANs of interfaces, NetworkManager is
asked what it has read of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.switch import (
    links_unit,
    network_manager_files,
)
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.switch.host_ports import (
    HostPort,
)
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.switch.seen import Switch
from support import open_vswitch
from support.kept_by_network_manager import CONNECTIONS, NetworkManager, why_not_here
from support.namespaces import Namespace
from support.private_libvirtd import PrivateLibvirtdError, wait_until
from support.vswitches import commands_of

BRIDGE, MAC, ROUTER = "br9", "52:54:00:0e:09:01", "192.0.2.1"
OF_OTHERS = """\
[connection]
id=Office
uuid=0a0a0a0a-0000-4000-8000-000000000001
type=ethernet
interface-name=eth0

[ipv4]
method=manual
address1=192.0.2.10/24
gateway=192.0.2.1

[ipv6]
method=disabled
"""
PORT = HostPort("mgmt", 0, ("192.0.2.10/24",), ROUTER)
ONE = Switch("net", ("eth0",), mtu=1400, backend="networkmanager", host_ports=(PORT,))


class Host:
    """One whose own address is on eth0, by a connection that somebody made."""

    def __init__(self) -> None:
        self.space, self.router = Namespace(), Namespace()
        pair = ("type", "veth", "peer", "name")
        for nic in ("eth0", "eth1"):
            there = ("netns", str(self.router.process.pid))
            self.space.run("ip", "link", "add", nic, *pair, nic, *there)
            self.router.run("ip", "link", "set", nic, "up")
        self.router.run("ip", "address", "add", f"{ROUTER}/24", "dev", "eth0")
        self.manager = NetworkManager(self.space.within, self.space.filters)
        office = f"{CONNECTIONS}/office.nmconnection"
        write = f"umask 077; printf '{OF_OTHERS}' > {office}"
        self.space.run("bash", "-c", write.replace("\n", "\\n"))
        self.manager.nmcli("connection", "reload")
        wait_until(lambda: self.addresses("eth0"), 30, "the address of the host")
        self.office = self.space.run("cat", office)

    def becomes(self, will: Switch) -> None:
        left = self.manager.tell("wire", bridge=BRIDGE, facts=will.facts)
        assert not self._but_vlans(left)

    @property
    def astray(self) -> dict[str, str]:
        return self._but_vlans(self.manager.tell("astray", bridge=BRIDGE))

    def _but_vlans(self, found: dict[str, str]) -> dict[str, str]:
        """What is otherwise, as far as the kernel has it."""
        return {of: how for of, how in found.items() if self.space.filters or "VLAN" not in of}

    @property
    def activations(self) -> dict[str, str]:
        """Of each connection of ours that is active how often it became so."""
        told = self.manager.nmcli("-g", "NAME,ACTIVE-PATH", "connection", "show", "--active")
        names = (line.split(":") for line in told.splitlines())
        return {name: path for name, path in names if name.startswith("kvm-fleet")}

    @property
    def links(self) -> dict[str, Any]:
        told = json.loads(self.space.run("ip", "-j", "address", "show"))
        return {one["ifname"]: one for one in told}

    def addresses(self, name: str) -> list[str]:
        of = self.links.get(name, {}).get("addr_info", ())
        return [one["local"] for one in of if one["scope"] == "global"]

    def reaches_the_router(self) -> bool:
        return self.space.try_run("ping", "-c", "1", "-W", "1", ROUTER)

    def sees_at_a_start_that_it_is_whole(self, will: Switch, waits_s: int) -> None:
        """As the unit of the switch does, whose seconds are of another number."""
        [text] = links_unit.files_of(BRIDGE, will, True).values()
        [command] = commands_of(text)
        command[2] = command[2].replace("systemctl -q is-active NetworkManager", "true")
        command[2] = self.of_namespace(command[2].replace("seq 30", f"seq {waits_s}"))
        self.space.run(*command)
        on_it = [nic for nic in will.nics if self.links[nic].get("master") != BRIDGE]
        assert BRIDGE in self.links and not on_it

    def of_namespace(self, script: str) -> str:
        """A script that looks at the interfaces of the host, not of the machine."""
        mount = "[ -d /run/sys ] || { mkdir /run/sys; mount -t sysfs none /run/sys; }"
        self.space.run("bash", "-c", mount)
        return script.replace("/sys/", "/run/sys/")

    def is_as_before(self) -> bool:
        """As somebody made it who knows nothing of a switch."""
        same = self.office == self.space.run("cat", f"{CONNECTIONS}/office.nmconnection")
        there = self.addresses("eth0") == ["192.0.2.10"] and BRIDGE not in self.links
        return same and there and self.reaches_the_router()

    def end(self) -> None:
        self.manager.end()
        self.space.end()
        self.router.end()


@pytest.fixture
def host() -> Iterator[Host]:
    if reason := why_not_here():
        pytest.skip(reason)
    host = Host()
    yield host
    host.end()


def test_a_switch_takes_the_address_of_the_host_and_gives_it_back(host: Host) -> None:
    host.becomes(ONE)
    assert (host.addresses(BRIDGE), host.addresses("eth0")) == (["192.0.2.10"], [])
    assert host.links[BRIDGE]["mtu"] == host.links["eth0"]["mtu"] == 1400
    assert host.links["eth0"]["master"] == BRIDGE
    wait_until(host.reaches_the_router, 10, "an answer of the router")
    modes = host.space.run("bash", "-c", f"stat -c %a {CONNECTIONS}/05-kvm-fleet-*").split()
    assert {*modes} == {"600"}
    before, has = host.links[BRIDGE]["ifindex"], ["192.0.2.11", "2001:db8::11"]

    # What is the same already is left alone, and what is another changes while it runs.
    active = host.activations
    assert len(active) == 2
    host.becomes(ONE)
    host.space.run("ip", "tuntap", "add", "vnet0", "mode", "tap")
    host.space.run("ip", "link", "set", "vnet0", "master", BRIDGE, "up")
    addresses = ("192.0.2.11/24", "2001:db8::11/64")
    moved = replace(PORT, addresses=addresses, routes=(("10.8.0.0/16", ROUTER),))
    host.becomes(replace(ONE, host_ports=(moved,), mtu=1300))
    assert "10.8.0.0/16" in host.space.run("ip", "route")
    moved = replace(moved, routes=(("10.9.0.0/16", ROUTER),))
    host.becomes(replace(ONE, host_ports=(moved,), mtu=1300))
    assert "10.8.0.0/16" not in host.space.run("ip", "route")
    assert host.links["vnet0"]["master"] == BRIDGE, "a VM stays on it"
    assert active == host.activations
    assert host.addresses(BRIDGE) == has and host.links["eth0"]["mtu"] == 1300
    assert host.links[BRIDGE]["ifindex"] == before
    wait_until(host.reaches_the_router, 10, "an answer of the router")

    host.manager.start_host_again(BRIDGE)
    wait_until(lambda: host.addresses(BRIDGE) == has, 30, "the switch after a start")
    wait_until(host.reaches_the_router, 30, "an answer of the router after a start")
    assert not host.addresses("eth0") and not host.astray
    assert "10.9.0.0/16" in host.space.run("ip", "route")

    host.manager.tell("unwire", bridge=BRIDGE)
    wait_until(host.is_as_before, 30, "what others made")
    left = host.space.run("bash", "-c", "ls /etc/NetworkManager/*/")
    assert "kvm-fleet" not in left and "kvm-fleet" not in host.manager.nmcli("connection")


def test_vms_start_once_network_manager_has_made_the_bridge(host: Host) -> None:
    host.becomes(ONE)
    # Without a cable too, as a host may start.
    host.router.run("ip", "link", "set", "eth0", "down")
    host.manager.start_host_again(BRIDGE)
    host.sees_at_a_start_that_it_is_whole(ONE, 120)
    host.router.run("ip", "link", "set", "eth0", "up")
    wait_until(host.reaches_the_router, 30, "an answer of the router")

    # What it has given up is activated, and nothing else.
    host.space.run("ip", "tuntap", "add", "vnet0", "mode", "tap")
    host.space.run("ip", "link", "set", "vnet0", "master", BRIDGE, "up")
    host.manager.nmcli("connection", "down", network_manager_files.uuid_of(BRIDGE, "eth0"))
    host.sees_at_a_start_that_it_is_whole(ONE, 1)
    assert host.links["vnet0"]["master"] == BRIDGE
    host.manager.nmcli("connection", "down", network_manager_files.uuid_of(BRIDGE, BRIDGE))
    host.sees_at_a_start_that_it_is_whole(ONE, 1)
    assert not host.astray


def test_what_somebody_changed_by_nmcli_is_seen_and_set_back(host: Host) -> None:
    host.becomes(ONE)
    names = {name: network_manager_files.uuid_of(BRIDGE, name) for name in (BRIDGE, "eth0")}
    file = "05-kvm-fleet-br9{0}.nmconnection".format

    host.manager.nmcli("connection", "modify", names[BRIDGE], "ipv4.addresses", "192.0.2.99/24")
    assert host.astray == {file(""): "otherwise"}
    host.becomes(ONE)
    assert host.addresses(BRIDGE) == ["192.0.2.10"]

    host.manager.nmcli("connection", "down", names["eth0"])
    assert host.astray.keys() >= {"eth0", "connection br9+eth0.nmconnection"}
    host.becomes(ONE)
    wait_until(host.reaches_the_router, 10, "an answer of the router")

    host.manager.nmcli("connection", "delete", names["eth0"])
    assert host.astray.keys() >= {"eth0", file("+eth0")}
    host.becomes(ONE)

    host.manager.nmcli("connection", "modify", "--temporary", names["eth0"], "ethernet.mtu", "900")
    assert file("+eth0") in host.astray
    host.becomes(ONE)

    host.manager.nmcli("connection", "down", names[BRIDGE])
    assert BRIDGE in host.astray
    host.becomes(ONE)
    wait_until(host.reaches_the_router, 10, "an answer of the router")


def test_an_uplink_without_a_cable_stays(host: Host) -> None:
    host.becomes(ONE)
    host.router.run("ip", "link", "set", "eth0", "down")
    with pytest.raises(PrivateLibvirtdError):
        wait_until(lambda: "master" not in host.links["eth0"], 8, "nothing")
    host.router.run("ip", "link", "set", "eth0", "up")
    wait_until(host.reaches_the_router, 30, "an answer of the router")


def test_what_is_not_confirmed_is_set_back_also_after_a_start(host: Host) -> None:
    wrong = replace(ONE, host_ports=(replace(PORT, addresses=("198.51.100.7/24",), gateway=""),))
    saved = host.manager.tell("saved", bridge=BRIDGE, facts=wrong.facts)
    host.becomes(wrong)
    assert not host.reaches_the_router()
    assert host.manager.tell("set back", saved=saved) == []
    wait_until(host.is_as_before, 30, "what others made")

    host.becomes(ONE)
    saved = host.manager.tell("saved", bridge=BRIDGE, facts=wrong.facts)
    host.becomes(wrong)
    host.manager.start_host_again(BRIDGE)
    assert host.manager.tell("set back", saved=saved) == []
    wait_until(host.reaches_the_router, 30, "an answer of the router")
    assert host.addresses(BRIDGE) == ["192.0.2.10"] and not host.astray


def test_a_start_in_the_midst_of_a_run_leaves_a_host_that_is_reached(host: Host) -> None:
    host.manager.tell("interrupted", bridge=BRIDGE, facts=ONE.facts, mac=MAC)
    assert host.reaches_the_router()
    host.manager.start_host_again()
    wait_until(host.is_as_before, 60, "what others made")
    host.becomes(ONE)
    wait_until(host.reaches_the_router, 30, "an answer of the router")


@pytest.fixture
def on_open_vswitch(host: Host) -> Iterator[Host]:
    if reason := open_vswitch.why_not_here():
        pytest.skip(reason)
    host.space.run("bash", "-c", open_vswitch.START)
    yield host
    host.space.run("bash", "-c", open_vswitch.STOP)


def test_host_ports_on_open_vswitch_are_none_of_its_business(on_open_vswitch: Host) -> None:
    host = on_open_vswitch
    port = HostPort("mgmt", 0, ("192.0.2.10/24", "2001:db8::10/64"), ROUTER,
                    routes=(("10.8.0.0/16", ROUTER),))  # fmt: skip
    will = Switch("net", ("eth0",), backend="networkmanager", host_ports=(port,))

    def is_as_declared() -> bool:
        has = host.addresses("mgmt"), host.addresses("eth0")
        ours = has == (["192.0.2.10", "2001:db8::10"], [])
        return ours and "10.8.0.0/16" in host.space.run("ip", "route")

    for _run in range(2):
        host.manager.tell("wire open vswitch", bridge="ovs9", facts=will.facts)
        assert is_as_declared()
        wait_until(host.reaches_the_router, 10, "an answer of the router")
        told = host.manager.nmcli("-g", "DEVICE,STATE", "device").splitlines()
        assert {"eth0:unmanaged", "mgmt:unmanaged", "eth1:disconnected"} <= {*told}
        assert host.manager.tell("stored on open vswitch", bridge="ovs9") == [will.facts, []]

    # A start of the host, by which Open vSwitch makes the port.
    host.manager.start_host_again()
    clear = "for n in eth0 mgmt; do ip address flush dev $n; ip link set $n down; done"
    host.space.run("bash", "-c", clear)
    [text] = links_unit.files_of("ovs9", will, False).values()
    for command in commands_of(text):
        host.space.run(
            command[0].lstrip("-"), command[1], host.of_namespace(command[2]), *command[3:]
        )
    assert is_as_declared()
    wait_until(host.reaches_the_router, 10, "an answer of the router")

    other = replace(will, host_ports=(replace(port, addresses=("192.0.2.11/24",), routes=()),))
    host.manager.tell("wire open vswitch", bridge="ovs9", facts=other.facts)
    assert host.addresses("mgmt") == ["192.0.2.11"]
    without = replace(will, host_ports=(), backend="")
    host.manager.tell("wire open vswitch", bridge="ovs9", facts=without.facts)
    wait_until(lambda: host.addresses("eth0") == ["192.0.2.10"], 30, "what others made")
    assert host.manager.tell("stored on open vswitch", bridge="ovs9") == [without.facts, []]
    host.manager.tell("wire open vswitch", bridge="ovs9", facts=will.facts)
    assert is_as_declared()
    host.manager.tell("unwire open vswitch", bridge="ovs9")
    wait_until(host.is_as_before, 30, "what others made")
    assert "kvm-fleet" not in host.space.run("bash", "-c", "ls /etc/NetworkManager/*/")


def test_an_uplink_that_it_does_not_leave_alone_is_told(on_open_vswitch: Host) -> None:
    host = on_open_vswitch
    theirs = "/etc/NetworkManager/conf.d/10-theirs.conf"
    text = r"[keyfile]\nunmanaged-devices=interface-name:none\n"
    host.space.run("bash", "-c", f"printf '{text}' > {theirs}")
    with pytest.raises(AssertionError, match="does not leave eth0 alone, as 05-kvm-fleet-ovs9"):
        host.manager.tell("wire open vswitch", bridge="ovs9", facts=ONE.facts)
    host.manager.tell("unwire open vswitch", bridge="ovs9")
    wait_until(host.is_as_before, 30, "what others made")


def test_what_is_not_confirmed_is_set_back_on_open_vswitch(on_open_vswitch: Host) -> None:
    host, of = on_open_vswitch, {"bridge": "ovs9", "of_linux": False}
    right = Switch("net", ("eth0",), backend="networkmanager", host_ports=(replace(PORT, vlan=0),))
    wrong = replace(right, host_ports=(replace(PORT, addresses=("198.51.100.7/24",), gateway=""),))
    saved = host.manager.tell("saved", **of, facts=wrong.facts)
    host.manager.tell("wire open vswitch", bridge="ovs9", facts=wrong.facts)
    assert not host.reaches_the_router()
    assert host.manager.tell("set back", saved=saved) == []
    wait_until(host.is_as_before, 30, "what others made")

    host.manager.tell("wire open vswitch", bridge="ovs9", facts=right.facts)
    saved = host.manager.tell("saved", **of, facts=wrong.facts)
    host.manager.tell("wire open vswitch", bridge="ovs9", facts=wrong.facts)
    host.manager.start_host_again()
    assert host.manager.tell("set back", saved=saved) == []
    wait_until(host.reaches_the_router, 30, "an answer of the router")
    assert host.manager.tell("stored on open vswitch", bridge="ovs9") == [right.facts, []]


@pytest.mark.parametrize(
    ("teaming", "options"),
    [
        ("active_backup", "miimon=100,mode=active-backup,primary=eth1"),
        ("lacp", "miimon=100,mode=802.3ad,xmit_hash_policy=layer2+3"),
        ("balance_xor", "miimon=100,mode=balance-xor,xmit_hash_policy=layer2+3"),
    ],
)
def test_bonds_and_vlans_are_what_network_manager_reads(
    host: Host, teaming: str, options: str
) -> None:
    primary = "eth1" if teaming == "active_backup" else ""
    port = HostPort("move", 20, ("198.51.100.10/24", "fd00::10/64"), "", "fd00::1")
    of = {"backend": "networkmanager", "host_ports": (port,), "vlans": ("10", "20-22")}
    will = Switch("net", ("eth0", "eth1"), teaming, primary, **of)
    why = _why_not_for_real(host)
    if why:
        print(f"read by NetworkManager, not made: {why}")
        for name, text in network_manager_files.files_of(BRIDGE, will, MAC).items():
            if name.endswith(".nmconnection"):
                path = f"{CONNECTIONS}/{name}"
                host.space.run("bash", "-c", f"umask 077; cat > '{path}' <<'END'\n{text}END\n")
        host.manager.nmcli("connection", "reload")
    else:
        host.becomes(will)

    def told(name: str, *fields: str) -> list[str]:
        number = network_manager_files.uuid_of(BRIDGE, name)
        said = host.manager.nmcli("-e", "no", "-g", ",".join(fields), "connection", "show", number)
        return said.splitlines()

    [bond, vlans] = told("br9-up", "bond.options", "bridge-port.vlans")
    assert {*bond.split(",")} == {*options.split(",")} and vlans == "1 pvid untagged, 10, 20-22"
    place = ("connection.master", "connection.slave-type", "connection.autoconnect-priority")
    assert told("eth0", *place) == ["br9-up", "bond", "999"]
    assert told("br9-up", *place) == [BRIDGE, "bridge", "999"]
    of_bridge = ("bridge.stp", "bridge.vlan-filtering", "bridge.vlans", "ipv4.method")
    assert told(BRIDGE, *of_bridge) == ["no", "yes", "1 pvid untagged, 20", "disabled"]
    of_port = ("vlan.parent", "vlan.id", "ipv4.addresses", "ipv6.addresses", "ipv6.gateway")
    assert told("move", *of_port) == [BRIDGE, "20", *port.addresses, "fd00::1"]
    if not why:
        assert host.addresses("move") and not host.astray
        host.manager.tell("unwire", bridge=BRIDGE)
        wait_until(host.is_as_before, 30, "what others made")


def _why_not_for_real(host: Host) -> str:
    """Why the kernel makes no such switch; empty where it does."""
    has = {
        "bridges that filter VLANs": host.space.filters,
        "bonds": host.space.try_run("ip", "link", "add", "x", "type", "bond"),
        "VLANs": host.space.try_run(
            *("ip", "link", "add", "link", "eth1", "name", "y", "type", "vlan", "id", "2")
        ),
    }
    for name in ("x", "y"):
        host.space.try_run("ip", "link", "delete", name)
    missing = [what for what, there in has.items() if not there]
    return f"the kernel has no {', '.join(missing)}" if missing else ""
