"""Isolated NICs: on Linux bridges alone, and as their port groups say."""

from __future__ import annotations

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import Mistakes
from ansible_collections.kvm.fleet.plugins.module_utils.engine.keys import ABSENT, PRESENT, Values
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import Have, Wanted
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


# ---- by their port groups

NIC, AT = ("nics", "lan"), ("nics", "lan", "isolated")
GROUPS = (
    "<network><portgroup name='apart' isolated='yes'/><portgroup name='not' isolated='no'/>"
    "<portgroup name='web'/></network>"
)


def followed(want: Values, stored: Values, declared: bool = True) -> tuple[Values, list[str]]:
    world = worlds.world({"vswitch": {"lan": Have("vswitch", "lan", xmltree.parse(GROUPS))}})
    world.declared = {("vswitch", "lan"): Wanted("vswitch", "lan", "active")} if declared else {}
    mistakes, after = Mistakes("vm/web"), dict(want)
    nic_isolation.follow(after, stored, world, mistakes)
    changed = {key: value for key, value in after.items() if want.get(key) != value}
    return changed, [error.message for error in mistakes.errors]


def nic(group: str, isolated: bool | None = None) -> Values:
    said = {} if isolated is None else {AT: isolated}
    at = {(*NIC, "source"): {"vswitch": "lan"}, (*NIC, "port_group"): group}
    return {NIC: PRESENT, **at, **said}


@pytest.mark.parametrize(
    ("want", "stored", "changes"),
    [
        (nic("apart"), {}, {AT: True}),
        (nic("not"), {}, {}),
        (nic("web", True), {}, {}),
        (nic("apart", True), {}, {}),
        ({NIC: PRESENT}, nic("apart", False), {AT: True}),
        ({NIC: PRESENT}, nic("apart", True), {}),
        ({NIC: PRESENT}, nic("not", True), {AT: False}),
        ({NIC: PRESENT}, nic("web", True), {}),
        ({NIC: PRESENT, (*NIC, "port_group"): "not"}, nic("apart", True), {AT: False}),
        ({NIC: ABSENT}, nic("apart", False), {}),
        ({}, nic("apart", False), {AT: True}),
    ],
)
def test_a_nic_is_isolated_as_its_port_group_says(
    want: Values, stored: Values, changes: Values
) -> None:
    assert followed(want, stored) == (changes, [])
    moves = len(want) > 1 or not stored
    assert followed(want, stored, declared=False)[0] == (changes if moves else {})


@pytest.mark.parametrize(("group", "said"), [("apart", False), ("not", True)])
def test_a_nic_that_says_otherwise_than_its_port_group_is_refused(group: str, said: bool) -> None:
    [message] = followed(nic(group, said), {})[1]
    assert f"as {str(said).lower()}, and its port group says {str(not said).lower()}" in message
