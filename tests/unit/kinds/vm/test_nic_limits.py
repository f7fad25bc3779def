"""Limits of NICs that Open vSwitch takes for none: what comes in without a peak."""

from __future__ import annotations

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import Have
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm import nic_limits
from support import worlds

OVS = "<virtualport type='openvswitch'/>"
HOST = "<forward mode='bridge'/><bridge name='br0'/>"
ON_LAN, ON_BRIDGE = "<source network='lan' portgroup='web'/>", "<source bridge='br0'/>"


def vm(inside: str, limits: str = "average='64'") -> xmltree.Element:
    return xmltree.parse(
        f"<domain><devices><interface type='network'><mac address='52:54:00:00:00:01'/>{inside}"
        f"<bandwidth><inbound {limits}/><outbound average='64'/></bandwidth>"
        "</interface></devices></domain>"
    )


def told(domain: xmltree.Element, before: xmltree.Element | None = None, network: str = "") -> int:
    lan = Have("vswitch", "lan", xmltree.parse(f"<network>{network}</network>"))
    found = [*nic_limits.unlimited(domain, before, worlds.world({"vswitch": {"lan": lan}}))]
    assert all("declare peak" in one for one in found)
    return len(found)


@pytest.mark.parametrize(
    ("inside", "network", "is_told"),
    [
        (ON_LAN, HOST, 0),
        (ON_LAN, HOST + OVS, 1),
        (ON_LAN, HOST + f"<portgroup name='web'>{OVS}</portgroup>", 1),
        ("<source network='none'/>", HOST + OVS, 0),
        (ON_BRIDGE, "", 0),
        (ON_BRIDGE + OVS, "", 1),
    ],
)
def test_where_an_average_limits_nothing(inside: str, network: str, is_told: int) -> None:
    assert told(vm(inside), network=network) == is_told
    assert told(vm(inside, "average='64' peak='64'"), network=network) == 0
    assert told(vm(inside, ""), network=network) == 0


def test_what_is_so_already_is_not_told() -> None:
    on_open = vm(ON_BRIDGE + OVS)
    assert told(on_open, on_open) == 0
    assert told(on_open, vm(ON_BRIDGE + OVS, "average='64' peak='64'")) == 1
    assert told(on_open, vm("<source bridge='br1'/>" + OVS)) == 1
