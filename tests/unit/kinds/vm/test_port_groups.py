"""Which port groups a NIC that runs changes into, by what libvirt compares."""

from __future__ import annotations

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.changes import LIVE, RESTART
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm import port_groups
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.effects import Effects

LIMIT = '<bandwidth><inbound average="64"/></bandwidth>'
NETWORK = xmltree.parse(
    "<network><portgroup name='plain' default='yes'/><portgroup name='other'/>"
    f"<portgroup name='slow'>{LIMIT}</portgroup>"
    f"<portgroup name='slow2'>{LIMIT}</portgroup>"
    "<portgroup name='tagged'><vlan><tag id='7'/></vlan></portgroup></network>"
)


def nic(group: str, limits: str = "") -> xmltree.Element:
    said = f" portgroup='{group}'" if group else ""
    return xmltree.parse(
        f"<interface type='network'><source network='lan'{said}/>{limits}</interface>"
    )


@pytest.mark.parametrize(
    ("runs", "comes", "taken_up"),
    [
        (nic("plain"), nic("other"), False),
        (nic(""), nic("plain"), False),
        (nic("plain"), nic(""), False),
        (nic("plain"), nic("slow"), True),
        (nic("slow", LIMIT), nic("plain"), True),
        (nic("slow", LIMIT), nic(""), True),
        (nic("slow", LIMIT), nic("slow2"), False),
        (nic("plain", LIMIT), nic("slow2", LIMIT), False),
        (nic("plain", LIMIT), nic("other", LIMIT), False),
        (nic("plain"), nic("tagged"), False),
        (nic("slow", LIMIT), nic("tagged"), False),
    ],
)
def test_a_port_group_is_taken_up_for_its_limits(
    runs: xmltree.Element, comes: xmltree.Element, taken_up: bool
) -> None:
    assert port_groups.is_taken_up(runs, comes, NETWORK) == taken_up


def vm(nic: str) -> xmltree.Element:
    mac = '<mac address="52:54:00:00:00:01"/>'
    return xmltree.parse(
        f"<domain><devices>{nic.replace('<source', f'{mac}<source')}</devices></domain>"
    )


@pytest.mark.parametrize(
    ("runs", "comes", "effect"),
    [
        ("network='lan' portgroup='plain'", "network='wan' portgroup='plain'", LIVE),
        ("network='lan' portgroup='plain'", "network='wan' portgroup='other'", RESTART),
        ("network='lan' portgroup='plain'", "network='wan'", RESTART),
        ("network='lan' portgroup='plain'", "bridge='br0'", LIVE),
        ("network='lan'", "network='lan' portgroup='slow'", RESTART),
    ],
)
def test_newer_libvirt_lets_no_nic_into_another_group(runs: str, comes: str, effect: str) -> None:
    kinds = [one.split("=")[0] for one in (runs, comes)]
    live, stored = (
        vm(f"<interface type='{kind}'><source {source}/></interface>")
        for kind, source in zip(kinds, (runs, comes))
    )
    effects = Effects(
        live, stored, {}, "running", "live", network_of=lambda _name: NETWORK, holds_groups=True
    )
    changes = ["source"] * (kinds[1] == "bridge" or "wan" in comes)
    changes += ["port_group"] * (kinds[1] != "bridge" and effect == RESTART)
    nic = "52:54:00:00:00:01"
    assert {effects.of(("nics", nic, one), None, "") for one in changes} == {effect}


def test_the_limits_of_the_former_group_are_not_handed_back() -> None:
    runs = nic("slow", LIMIT)
    port_groups.forget_group(runs, nic("plain"))
    assert runs.find("bandwidth") is None


def test_limits_of_its_own_are_handed_back() -> None:
    runs = nic("slow", LIMIT)
    port_groups.forget_group(runs, nic("plain", LIMIT))
    assert runs.find("bandwidth/inbound") is not None


TAG = "<vlan><tag id='7'/></vlan>"


def test_the_vlan_of_the_former_group_is_not_handed_back() -> None:
    runs = nic("tagged", TAG)
    runs.set("trustGuestRxFilters", "yes")
    port_groups.forget_group(runs, nic("plain"))
    assert runs.find("vlan") is None
    assert runs.get("trustGuestRxFilters") is None


def test_a_vlan_of_its_own_is_handed_back() -> None:
    runs = nic("tagged", TAG)
    port_groups.forget_group(runs, nic("plain", TAG))
    assert runs.find("vlan/tag") is not None


OVS = xmltree.parse("<network><virtualport type='openvswitch'/><portgroup name='plain'/></network>")
PORT = "<virtualport type='openvswitch'><parameters interfaceid='0b1f5c3e'/></virtualport>"


@pytest.mark.parametrize(
    ("runs", "comes", "effect"),
    [
        ("network='ovs'", "network='lan'", RESTART),
        ("network='lan'", "network='ovs'", RESTART),
        ("network='ovs'", "network='ovs2'", RESTART),
        ("network='ovs'", "bridge='br0'", RESTART),
        ("network='lan'", "network='wan'", LIVE),
        ("bridge='br0'", "bridge='br1'", LIVE),
    ],
)
def test_no_nic_moves_that_would_need_another_virtual_port(
    runs: str, comes: str, effect: str
) -> None:
    live, stored = (
        vm(f"<interface type='{source.split('=')[0]}'><source {source}/>{port}</interface>")
        for source, port in ((runs, PORT * ("ovs" in runs)), (comes, ""))
    )
    effects = Effects(
        live, stored, {}, "running", "live", {}, lambda name: OVS if "ovs" in name else NETWORK
    )
    assert effects.of(("nics", "52:54:00:00:00:01", "source"), None, "") == effect
