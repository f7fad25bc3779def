"""Isolated NICs are possible on Linux bridges alone."""

from __future__ import annotations

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import Mistakes
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import Have
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm import nic_isolation
from support import worlds

OVS = "<virtualport type='openvswitch'/>"
HOST = "<forward mode='bridge'/><bridge name='br0'/>"


def vm(kind: str, inside: str) -> xmltree.Element:
    return xmltree.parse(
        f"<domain><devices><interface type='{kind}'><mac address='52:54:00:00:00:01'/>{inside}"
        "<port isolated='yes'/></interface></devices></domain>"
    )


@pytest.mark.parametrize(
    ("network", "says"),
    [
        ("", ""),
        ("<forward mode='nat'/><bridge name='virbr1'/>", ""),
        (HOST, ""),
        (HOST + OVS, "on the vswitch lan, which is on Open vSwitch"),
        (HOST + f"<portgroup name='web'>{OVS}</portgroup>", "which is on Open vSwitch"),
        ("<forward mode='bridge'><interface dev='eth0'/></forward>", "which is on no bridge"),
        ("<forward mode='hostdev'/>", "which is on no bridge"),
    ],
)
def test_where_a_nic_of_a_vswitch_is_isolated(network: str, says: str) -> None:
    there = {"lan": Have("vswitch", "lan", xmltree.parse(f"<network>{network}</network>"))}
    domain = vm("network", "<source network='lan' portgroup='web'/>")
    assert_says(says, domain, there)


@pytest.mark.parametrize(
    ("kind", "inside", "says"),
    [
        ("bridge", "<source bridge='br0'/>", ""),
        ("bridge", f"<source bridge='br0'/>{OVS}", "with a virtual port (openvswitch)"),
        ("direct", "<source dev='eth0'/>", "on an interface of the host"),
        ("network", "<source network='none'/>", ""),
    ],
)
def test_where_another_nic_is_isolated(kind: str, inside: str, says: str) -> None:
    assert_says(says, vm(kind, inside), {"none": Have("vswitch", "none")})


def assert_says(says: str, domain: xmltree.Element, there: dict[str, Have]) -> None:
    world, mistakes = worlds.world({"vswitch": there}), Mistakes("vm/web")
    nic_isolation.check(domain, None, world, mistakes)
    assert [says in error.message for error in mistakes.errors] == ([True] if says else [])
    before = len(mistakes.errors)
    nic_isolation.check(domain, domain, world, mistakes)
    assert len(mistakes.errors) == before, "what is so already is no mistake"
