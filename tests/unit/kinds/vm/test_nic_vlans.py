"""VLANs of NICs: where libvirt has them, and which those have that run on Open vSwitch."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine import vlans, xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.changes import LIVE, RESTART
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm import nic_vlans
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.effects import Effects

OVS = xmltree.parse("<network><forward mode='bridge'/><virtualport type='openvswitch'/></network>")
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
    told = nic_vlans.see_ports(values(3), live, stored, lambda _name: OVS, lambda: {"vnet0": port})
    assert told == seen


def test_what_is_on_no_open_vswitch_is_what_libvirt_says() -> None:
    told = nic_vlans.see_ports(
        values(3), vm(), values(7), lambda _name: PLAIN, lambda: {"vnet0": [1, [], ""]}
    )
    assert told == values(3)


@pytest.mark.parametrize(
    ("comes", "on", "ports", "effect"),
    [
        (vm(), OVS, {"vnet0": []}, LIVE),
        (vm(), OVS, {}, RESTART),
        (vm(), PLAIN, {"vnet0": []}, RESTART),
        (vm(group="b"), OVS, {"vnet0": []}, RESTART),
    ],
)
def test_vlans_are_set_where_the_port_is(
    comes: xmltree.Element, on: xmltree.Element, ports: dict[str, Any], effect: str
) -> None:
    effects = Effects(
        vm(), comes, values(), "running", "live", network_of=lambda _name: on, ports=lambda: ports
    )
    assert effects.of((*NIC, "vlan"), 0, 7) == effect
