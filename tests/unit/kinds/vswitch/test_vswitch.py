"""The kind vswitch without a host: what it refuses, and how it updates a network that runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import FleetError, FleetErrors
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import Have
from ansible_collections.kvm.fleet.plugins.module_utils.host.interfaces import (
    connected4,
    connected6,
)
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch import tree
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.attached import port_groups_of
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.connections import (
    connected_again,
)
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.updates import (
    HOST,
    PORT_GROUP,
    RANGE,
    updates,
)
from support.vswitches import existing, planned

MISTAKES = yaml.safe_load(Path(__file__).with_name("vswitch_mistakes.yml").read_text())


@pytest.mark.parametrize("case", MISTAKES, ids=lambda case: case["name"])
def test_a_mistake_is_told(case: Mapping[str, Any]) -> None:
    there = existing(case.get("there", {}))
    with pytest.raises((FleetError, FleetErrors)) as raised:
        planned(case.get("vswitch", "lan"), case["want"], there)
    errors = getattr(raised.value, "errors", (raised.value,))
    told = [" ".join(part for part in (e.field + ":", e.message)) for e in errors]
    for expected in case["errors"]:
        assert any(line.startswith(expected) for line in told), told
    assert len(told) == len(case["errors"]), told


def test_an_address_does_not_go_where_another_would_be_in_its_place() -> None:
    two = network(ip(), "<ip address='192.168.51.1' prefix='24'/>")
    there = {"lan": Have("vswitch", "lan", two, facts={"state": "inactive"})}
    with pytest.raises(FleetErrors, match=r"192\.168\.51\.1/24 would take its place"):
        planned("lan", {"address": "", "state": "present"}, there)


def test_all_addresses_of_a_family_go_at_once() -> None:
    ips = "".join(f"<ip address='10.0.{n}.1' prefix='24'/>" for n in (1, 2))
    has = xmltree.parse(f"<network><name>n</name>{ips}</network>")
    after = tree.edited(has, {("address",): "", ("more_addresses",): []})
    assert not after.findall("ip")


def network(*below: str) -> xmltree.Element:
    return xmltree.parse(f"<network><name>lan</name>{''.join(below)}</network>")


def ip(*dhcp: str) -> str:
    return f"<ip address='192.168.50.1' prefix='24'><dhcp>{''.join(dhcp)}</dhcp></ip>"


def told(has: xmltree.Element, gets: xmltree.Element) -> list[tuple[str, str, int, str]]:
    return [
        (one.command, one.section, one.ip_index, one.element.get("ip") or one.element.get("name"))
        for one in updates(has, gets)
    ]


def test_nothing_to_update() -> None:
    same = network(ip("<host mac='52:54:00:00:00:01' ip='192.168.50.11'/>"))
    assert updates(same, xmltree.clone(same)) == []


def test_all_is_deleted_before_anything_is_added() -> None:
    one, two = "<host mac='52:54:00:00:00:01' ip='{}'/>", "<host mac='52:54:00:00:00:02' ip='{}'/>"
    before = network(ip(one.format("192.168.50.11"), two.format("192.168.50.12")))
    after = network(ip(one.format("192.168.50.12"), two.format("192.168.50.11")))
    assert told(before, after) == [
        ("delete", HOST, 0, "192.168.50.11"),
        ("delete", HOST, 0, "192.168.50.12"),
        ("add", HOST, 0, "192.168.50.12"),
        ("add", HOST, 0, "192.168.50.11"),
    ]


def test_the_right_ip_is_updated() -> None:
    six = "<ip family='ipv6' address='fd00::1' prefix='64'/>"
    before = network(
        six, "<ip address='10.0.0.1' prefix='24'/>", ip("<range start='192.168.50.2'/>")
    )
    after = network(six, "<ip address='10.0.0.1' prefix='24'/>", ip())
    assert [(one.section, one.ip_index) for one in updates(before, after)] == [(RANGE, 2)]


def test_the_former_default_port_group_is_told_first() -> None:
    before = network("<portgroup name='b' default='yes'/><portgroup name='a'/>")
    after = network("<portgroup name='b'/><portgroup name='a' default='yes'/>")
    assert told(before, after) == [
        ("modify", PORT_GROUP, -1, "b"),
        ("modify", PORT_GROUP, -1, "a"),
    ]
    assert told(after, before) == [
        ("modify", PORT_GROUP, -1, "a"),
        ("modify", PORT_GROUP, -1, "b"),
    ]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("<ip address='192.168.50.1' netmask='255.255.240.0'/>", "192.168.50.1/20"),
        ("<ip address='192.168.50.1' prefix='20'/>", "192.168.50.1/20"),
        ("<ip address='10.1.1.1'/>", "10.1.1.1/8"),
        ("<ip address='172.16.1.1'/>", "172.16.1.1/16"),
        ("<ip address='192.168.50.1'/>", "192.168.50.1/24"),
        ("<ip family='ipv6' address='fd00::1' prefix='64'/>", ""),
    ],
)
def test_an_address_is_read_in_all_of_libvirts_ways(given: str, expected: str) -> None:
    assert tree.values_of(network(given))[("address",)] == expected


@pytest.mark.parametrize(
    ("name", "bridge"),
    [("lan", "vs-lan"), ("twelve-chars", "vs-twelve-chars"), ("a lan", "vs-5b6c469ca4a7")],
)
def test_a_bridge_is_named_after_its_vswitch(name: str, bridge: str) -> None:
    assert tree.derived_bridge(name) == bridge


def test_port_groups_are_known_to_other_kinds() -> None:
    there = existing({"lan": {"type": "isolated", "port_groups": [{"name": "a"}]}})
    assert port_groups_of(there["lan"]) == {"a"}
    assert port_groups_of(Have("vswitch", "nowhere")) == set()


ROUTES4 = """Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT
eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
tun0\t0000000A\t010200C0\t0003\t0\t0\t0\t000000FF\t0\t0\t0
"""
ROUTE6 = "{} {:02x} {} 00 {} 00000100 00000001 00000000 00000001 {:>8}\n"


def test_the_hosts_own_networks_are_those_without_a_gateway() -> None:
    assert [(i, str(n)) for i, n in connected4(ROUTES4)] == [("eth0", "192.0.2.0/24")]
    nothing, gateway = "0" * 32, "fd" + "0" * 29 + "1"
    text = "".join(
        [
            ROUTE6.format("fd00" + "0" * 28, 64, nothing, nothing, "eth0"),
            ROUTE6.format("fe80" + "0" * 28, 64, nothing, nothing, "eth0"),
            ROUTE6.format("fd01" + "0" * 28, 48, nothing, gateway, "eth0"),
            ROUTE6.format(nothing, 0, nothing, gateway, "eth0"),
            ROUTE6.format("fd00" + "0" * 27 + "1", 128, nothing, nothing, "lo"),
        ]
    )
    assert [(i, str(n)) for i, n in connected6(text)] == [("eth0", "fd00::/64")]


def test_a_limit_goes_with_its_peak() -> None:
    slow = {"name": "slow", "bandwidth": {"inbound": {"average": "1MiB", "peak": "2MiB"}}}
    there = existing({"lan": {"type": "isolated", "port_groups": [slow]}})
    none = {"name": "slow", "bandwidth": {"inbound": {"average": "0B"}}}
    plan = planned("lan", {"state": "inactive", "port_groups": [none]}, there)
    assert {change.field[-1] for change in plan.changes} == {"average", "peak"}


LIMITS = '<bandwidth><inbound average="1024"/></bandwidth>'
LIMITED = xmltree.parse(f'<network><portgroup name="slow">{LIMITS}</portgroup></network>')
DEFAULT = xmltree.parse(
    f'<network><portgroup name="slow" default="yes">{LIMITS}</portgroup></network>'
)
UNLIMITED = xmltree.parse('<network><portgroup name="slow" default="yes"/></network>')


@pytest.mark.parametrize(
    ("group", "own", "networks", "stays"),
    [
        (' portgroup="slow"', "", [LIMITED, UNLIMITED], False),
        (' portgroup="slow"', "", [UNLIMITED, LIMITED], False),
        (' portgroup="slow"', LIMITS, [LIMITED], True),
        (' portgroup="slow"', "", [UNLIMITED], True),
        ("", "", [DEFAULT], False),
        ("", "", [LIMITED], True),
    ],
)
def test_a_nic_that_is_connected_again_keeps_its_own_limits_only(
    group: str, own: str, networks: list[xmltree.Element], stays: bool
) -> None:
    nic = (
        "<interface type='network'><mac address='52:54:00:00:00:01'/><source network='lan'{}/>{}"
        "</interface>"
    )
    assigned = f"{group} portid='p' bridge='vs-lan'"
    stored = xmltree.parse(f"<domain><devices>{nic.format(group, own)}</devices></domain>")
    again = connected_again(xmltree.parse(nic.format(assigned, LIMITS)), stored, networks)
    wanted = xmltree.parse(nic.format(group, LIMITS if stays else ""))
    assert xmltree.same(again, wanted)


def test_a_nic_that_is_not_stored_keeps_its_limits() -> None:
    nic = f"<interface type='network'><source network='lan' portgroup='slow'/>{LIMITS}</interface>"
    for stored in (None, xmltree.parse("<domain><devices/></domain>")):
        again = connected_again(xmltree.parse(nic), stored, [LIMITED])
        assert again.find("bandwidth") is not None
