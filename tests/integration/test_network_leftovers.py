"""What is left where libvirtd is killed while it starts or stops a network.

It notes a network that runs in a file, as the last step of a start and the first of a stop. Without
that file a libvirtd that comes up takes the network for inactive, with all of it there.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable
from ipaddress import ip_interface
from typing import Any

import pytest

from support.module_server import ModuleServer
from support.private_libvirtd import PrivateLibvirtd

Args = dict[str, Any]


class Network:
    """A vswitch of which a killed libvirtd knows no more, seen by anything but the collection."""

    def __init__(self, libvirtd: PrivateLibvirtd, modules: ModuleServer, name: str) -> None:
        self.libvirtd = libvirtd
        self.modules = modules
        self.name = name
        self.args: Args = {"name": name, "address": "192.0.2.1/29", "address6": "fd00:7::1/64"}
        self.args["dhcp"] = {"ranges": [{"start": "192.0.2.3", "end": "192.0.2.6"}]}

    def declare(self, **args: Any) -> dict[str, Any]:
        """Run it as it has to be run; what the run returned."""
        predicted = self.modules.run("vswitch", {**self.args, **args}, check=True)
        done = self.modules.run("vswitch", {**self.args, **args})
        assert not done.get("failed"), done["msg"]
        assert predicted["plan"] == done["plan"]
        assert self.modules.run("vswitch", {**self.args, **args})["plan"] == []
        return done

    def lose(self) -> None:
        """Let libvirtd be killed before it has noted that the network runs."""
        self.libvirtd.kill()
        self.libvirtd.outside(f"/run/libvirt/network/{self.name}.xml").unlink()
        self.libvirtd.start_libvirtd()
        assert "Active:         no" in self.libvirtd.virsh("net-info", self.name)
        assert self.has_bridge() and self.daemons()

    @property
    def subnet(self) -> str:
        return str(ip_interface(self.args["address"]).network)

    @property
    def bridge(self) -> str:
        return f"vs-{self.name}"

    def has_bridge(self) -> bool:
        return self.bridge in self.libvirtd.run(["ip", "-brief", "link"])

    def daemons(self) -> list[str]:
        """The processes of its dnsmasq, that with the scripts included."""
        conf = f"--conf-file=/var/lib/libvirt/dnsmasq/{self.name}.conf"
        lines = self.libvirtd.run(["ps", "-ww", "-e", "-o", "pid=,args="]).splitlines()
        return [line.split()[0] for line in lines if f"{conf} " in line]

    def rules(self) -> list[str]:
        """The firewall's rules about it."""
        told = self.libvirtd.run(["sh", "-c", "iptables-save; ip6tables-save"]).splitlines()
        words = (f"{self.bridge} ", f" {self.subnet} ")
        return sorted(rule for rule in told if any(word in rule for word in words))


@pytest.fixture
def network(libvirtd: PrivateLibvirtd, modules: ModuleServer, prefix: str) -> Network:
    network = Network(libvirtd, modules, f"{prefix}net")
    network.declare()
    return network


def test_an_interrupted_start_is_taken_up(network: Network) -> None:
    rules, daemons = network.rules(), network.daemons()
    network.lose()
    done = network.declare()
    [left, state] = done["plan"]
    assert (left["field"], state["field"]) == ("leftovers", "state")
    assert left["before"] == f"bridge {network.bridge} and dnsmasq"
    assert network.rules() == rules
    assert network.has_bridge() and len(network.daemons()) == len(daemons)
    assert not set(network.daemons()) & set(daemons)


@pytest.mark.parametrize("state", ["inactive", "present", "absent"])
def test_what_an_interrupted_stop_left_goes(network: Network, state: str) -> None:
    network.lose()
    done = network.declare(state=state)
    assert "leftovers" in [change["field"] for change in done["plan"]]
    assert not network.has_bridge() and not network.daemons() and not network.rules()


def test_a_dnsmasq_without_its_bridge_goes(network: Network, libvirtd: PrivateLibvirtd) -> None:
    network.lose()
    libvirtd.run(["ip", "link", "delete", network.bridge])
    libvirtd.outside(f"/run/libvirt/network/{network.name}.pid").unlink()
    left = network.declare()["plan"][0]
    assert left["before"] == "dnsmasq"


def test_what_was_lost_comes_again_on_another_bridge(network: Network) -> None:
    network.lose()
    network.declare(bridge="vs-elsewhere")
    assert not network.has_bridge()


def test_vms_on_it_are_connected_again(
    network: Network, libvirtd: PrivateLibvirtd, modules: ModuleServer, prefix: str
) -> None:
    vm = {"name": f"{prefix}vm", "virt_type": "qemu", "memory": {"size": "32MiB"}}
    nics = [{"name": "lan", "vswitch": network.name}]
    done = modules.run("vm", {**vm, "nics": nics, "state": "paused"})
    assert not done.get("failed"), done.get("msg")
    tap = ET.fromstring(libvirtd.virsh("dumpxml", vm["name"])).find("devices/interface/target")
    network.lose()
    network.declare()
    on_bridge = libvirtd.run(["ip", "-brief", "link", "show", "master", network.bridge])
    assert tap.get("dev") in on_bridge


def _a_port_of_others(libvirtd: PrivateLibvirtd, network: Network) -> None:
    libvirtd.run(["ip", "tuntap", "add", "port-of-others", "mode", "tap"])
    libvirtd.run(["ip", "link", "set", "port-of-others", "master", network.bridge])


def _another_mac(libvirtd: PrivateLibvirtd, network: Network) -> None:
    libvirtd.run(["ip", "link", "set", network.bridge, "address", "52:54:00:00:00:99"])


@pytest.mark.parametrize("change", [_a_port_of_others, _another_mac])
def test_a_bridge_that_may_be_of_others_stays(
    network: Network,
    libvirtd: PrivateLibvirtd,
    modules: ModuleServer,
    change: Callable[[PrivateLibvirtd, Network], None],
) -> None:
    network.lose()
    change(libvirtd, network)
    done = modules.run("vswitch", network.args)
    assert done["failed"] and "has an interface" in done["msg"]
    assert network.has_bridge() and network.daemons()
    libvirtd.run(["ip", "link", "delete", network.bridge])
    libvirtd.try_run(["ip", "link", "delete", "port-of-others"])
    network.declare(state="absent")


def test_the_daemons_of_others_stay(network: Network, libvirtd: PrivateLibvirtd) -> None:
    other = Network(libvirtd, network.modules, f"{network.name}-2")
    other.args |= {"address": "198.51.100.1/29", "address6": "fd00:8::1/64"}
    other.args["dhcp"] = {"ranges": [{"start": "198.51.100.2", "end": "198.51.100.6"}]}
    other.declare()
    rules, daemons = other.rules(), other.daemons()
    network.lose()
    network.declare(state="absent")
    assert (other.rules(), other.daemons()) == (rules, daemons)


NFT = """
table ip libvirt_network {{
    chain guest_input {{
        oifname "{bridge}" ip daddr {subnet} ct state established,related counter accept
        oif "lo" counter reject
    }}
    chain guest_nat {{
        ip saddr {subnet} ip daddr 224.0.0.0/24 counter return
        ip saddr {subnet} ip daddr != {subnet} counter masquerade
        ip saddr 198.51.100.0/24 ip daddr != 198.51.100.0/24 counter masquerade
    }}
}}
"""


def test_the_rules_of_nft_go(network: Network, libvirtd: PrivateLibvirtd) -> None:
    """As libvirt writes them from version 10.4."""
    text = NFT.format(bridge=network.bridge, subnet=network.subnet)
    libvirtd.run(["nft", "--file", "/dev/stdin"], stdin=text)
    network.lose()
    network.declare(state="absent")
    table = libvirtd.run(["nft", "list", "table", "ip", "libvirt_network"])
    libvirtd.run(["nft", "delete", "table", "ip", "libvirt_network"])
    assert network.bridge not in table and network.subnet not in table
    assert 'oif "lo"' in table and "198.51.100.0/24" in table
