"""VLANs of NICs: where libvirt has them, and which those have that run on Open vSwitch."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine import vlans, xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.changes import LIVE, RESTART
from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import Mistakes
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import Have
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm import nic_vlans
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.effects import Effects
from support import worlds

OVS = xmltree.parse("<network><forward mode='bridge'/><virtualport type='openvswitch'/></network>")
NAT = xmltree.parse("<network><forward mode='nat'/></network>")
PLAIN = xmltree.parse("<network><forward mode='bridge'/></network>")
NIC = ("nics", "52:54:00:00:00:01")


def network(inside: str) -> xmltree.Element:
    return xmltree.parse(f"<network>{inside}</network>")


@pytest.mark.parametrize(
    ("inside", "group", "has_none", "by_hook"),
    [
        ("<forward mode='nat'/>", "", True, False),
        ("", "", True, False),
        ("<forward mode='bridge'/>", "", False, True),
        ("<forward mode='bridge'/><virtualport type='midonet'/>", "", True, False),
        ("<forward mode='bridge'/><virtualport type='openvswitch'/>", "", False, False),
        ("<forward mode='bridge'/>", "<virtualport type='openvswitch'/>", False, False),
        ("<forward mode='hostdev'/>", "", False, False),
        ("<forward mode='passthrough'/>", "", False, False),
    ],
)
def test_where_there_are_vlans(inside: str, group: str, has_none: bool, by_hook: bool) -> None:
    of, tree = xmltree.parse(f"<portgroup name='a'>{group}</portgroup>"), network(inside)
    assert vlans.has_no_vlans(tree, of) == has_none
    assert vlans.by_hook(tree, of, 9_000_000) == by_hook
    assert not vlans.by_hook(tree, of, 11_000_000)


def vm(vlan: str = "", group: str = "a") -> xmltree.Element:
    return xmltree.parse(
        "<domain><devices><interface type='network'><mac address='52:54:00:00:00:01'/>"
        f"<source network='lan' portgroup='{group}'/>{vlan}<target dev='vnet0'/></interface>"
        "</devices></domain>"
    )


def values(vlan: int = 0, native: int = 0, trunk: Any = ()) -> dict[tuple[str, ...], Any]:
    return {
        NIC: "present",
        (*NIC, "vlan"): vlan,
        (*NIC, "native_vlan"): native,
        (*NIC, "trunk"): list(trunk),
    }


@pytest.mark.parametrize(
    ("stored", "port", "seen"),
    [
        (values(7), [7, [], ""], values(7)),
        (values(7), [8, [], ""], values(8)),
        (values(7), [0, [], ""], values()),
        (values(7), [5, [5, 6], "native-untagged"], values(0, 5, ["6"])),
        (values(0, 0, ["5-6"]), [5, [5, 6], "native-tagged"], values(0, 0, ["5-6"])),
        (values(), [9, [], ""], values()),  # the port follows a group, which the vswitch watches
    ],
)
def test_what_runs_is_what_the_port_says(stored: Any, port: list[Any], seen: Any) -> None:
    live = vm("<vlan><tag id='3'/></vlan>")
    told = nic_vlans.see_ports(
        values(3), live, stored, lambda _name: OVS, lambda _linux: {"vnet0": port}
    )
    assert told == seen


def test_a_port_of_linux_counts_where_the_hook_sets_it() -> None:
    ports = {"vnet0": [8, [], ""]}
    asked = nic_vlans.see_ports(values(3), vm(), values(7), lambda _n: PLAIN, lambda _l: ports)
    assert asked == values(8)


@pytest.mark.parametrize(
    ("version", "filtering", "seen"),
    [(9_000_000, True, {"vnet0"}), (9_000_000, False, set()), (11_000_000, True, set())],
)
def test_which_ports_of_linux_are_ours_to_set(
    version: int, filtering: bool, seen: set[str]
) -> None:
    link = {"filtering": filtering, "master": "", "kind": "bridge"}
    links = {"br0": link, "vnet0": {"filtering": False, "master": "br0", "kind": "tun"}}
    host = SimpleNamespace(
        driver="QEMU",
        libvirt_version=version,
        linux_bridges={"links": links, "vlans": {"vnet0": [[5, 5, "pvid untagged"]]}},
    )
    found = nic_vlans.ports_on(host, True)  # type: ignore[arg-type]
    assert {*found} == seen
    assert all(port.tag == 5 for port in found.values())


@pytest.mark.parametrize(
    ("hook", "filtering", "says"),
    [
        (None, True, "its hook that sets them is not there"),
        ({"installed": "a", "called": True}, True, "its hook is of an older version"),
        ({"installed": "a", "called": False, "nics": True}, True, "before its hook for VLANs was"),
        ({"installed": "a", "called": True, "nics": True}, False, "br0 does not filter VLANs"),
        ({"installed": "a", "called": True, "nics": True}, True, ""),
    ],
)
def test_where_nobody_sets_vlans_of_a_nic(hook: Any, filtering: bool, says: str) -> None:
    found = {
        ("libvirt_version",): 9_000_000,
        ("vlan_hook",): hook or {"installed": "", "called": False},
        ("linux_bridges",): {"links": {"br0": {"filtering": filtering, "master": ""}}},
    }
    network = xmltree.parse("<network><forward mode='bridge'/><bridge name='br0'/></network>")
    there = {"vswitch": {"lan": Have("vswitch", "lan", network)}}
    world = worlds.world(there, {**worlds.HERE, **found})
    on_bridge = xmltree.parse(
        "<domain><devices><interface type='bridge'><mac address='52:54:00:00:00:01'/>"
        "<source bridge='br0'/><vlan trunk='yes'><tag id='7'/></vlan></interface></devices>"
        "</domain>"
    )
    for domain in (vm("<vlan><tag id='7'/></vlan>"), on_bridge):
        mistakes = Mistakes("vm/web")
        nic_vlans.check(domain, None, world, mistakes)
        told = [error.message for error in mistakes.errors]
        assert [says in one for one in told] == ([True] if says else [])


def test_what_is_on_no_open_vswitch_is_what_libvirt_says() -> None:
    told = nic_vlans.see_ports(values(3), vm(), values(7), lambda _name: PLAIN, lambda _linux: {})
    assert told == values(3)


@pytest.mark.parametrize(
    ("comes", "on", "ports", "effect"),
    [
        (vm(), OVS, {"vnet0": [0, [], ""]}, LIVE),
        (vm(), OVS, {}, RESTART),
        (vm(), PLAIN, {"vnet0": [0, [], ""]}, LIVE),
        (vm(), PLAIN, {}, RESTART),
        (vm(), NAT, {"vnet0": [0, [], ""]}, RESTART),
        (vm(group="b"), OVS, {"vnet0": [0, [], ""]}, RESTART),
    ],
)
def test_vlans_are_set_where_the_port_is(
    comes: xmltree.Element, on: xmltree.Element, ports: dict[str, Any], effect: str
) -> None:
    effects = Effects(
        vm(),
        comes,
        values(),
        "running",
        "live",
        network_of=lambda _name: on,
        ports=lambda _l: ports,
    )
    assert effects.of((*NIC, "vlan"), 0, 7) == effect


def test_the_port_of_a_nic_is_seen_on_either_switch() -> None:
    links = {
        "br0": {"filtering": True, "master": ""},
        "vnet0": {"filtering": False, "master": "br0"},
    }
    bridges = {"links": links, "vlans": {"vnet0": [(7, 7, "pvid untagged")]}}
    there = {"driver": "QEMU", "libvirt_version": 9_000_000, "linux_bridges": bridges}
    host = SimpleNamespace(**there, open_vswitch={"ports": {"vnet0": [8, [], ""]}})
    nic = vm().find("devices/interface")
    assert nic is not None
    for network_of_nic, vlan in ((PLAIN, 7), (OVS, 8)):
        seen = nic_vlans.port_seen(
            nic,
            lambda _name, found=network_of_nic: found,
            lambda of_linux: nic_vlans.ports_on(host, of_linux),  # type: ignore[arg-type]
        )
        assert seen is not None and seen.tag == vlan
