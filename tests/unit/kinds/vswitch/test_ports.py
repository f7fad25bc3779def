"""Which ports of Open vSwitch are to have other VLANs, and what is said where nobody knows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.looked_at import Interface
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import Have, Plan
from ansible_collections.kvm.fleet.plugins.module_utils.engine.showing import results
from ansible_collections.kvm.fleet.plugins.module_utils.engine.vlan_ports import Port
from ansible_collections.kvm.fleet.plugins.module_utils.host import open_vswitch
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.kind import KIND
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.ports import port_of
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.steps import steps_of
from support import worlds

NETWORK = """<network><name>lan</name><uuid>0b1f5c3e-7c5e-4a0e-9a55-9f6b0c6f1c13</uuid>
<forward mode='bridge'/><bridge name='ovs0'/><virtualport type='openvswitch'/>
<portgroup name='web'><vlan><tag id='10'/></vlan></portgroup>
<portgroup name='all' default='yes'/></network>"""


def interface(number: int, group: str, inside: str = "", tap: str = "") -> str:
    said = f" portgroup='{group}'" if group else ""
    target = f"<target dev='{tap}'/>" if tap else ""
    return f"""<interface type='network'><mac address='52:54:00:00:00:0{number}'/>
    <source network='lan'{said}/>{inside}{target}</interface>"""


def vm(*nics: tuple[str, str], plugged_in: int = 0) -> Have:
    """A VM that runs with NICs, each in a group and with what it says itself; the last ones are of
    what runs alone."""
    lasting = nics[: len(nics) - plugged_in]
    stored = "".join(interface(n, *nic) for n, nic in enumerate(lasting))
    runs = "".join(interface(n, *nic, tap=f"vnet{n}") for n, nic in enumerate(nics))
    trees = [f"<domain><name>one</name><devices>{of}</devices></domain>" for of in (stored, runs)]
    facts = {"state": "running", "autostart": False, "persistent": True}
    return Have("vm", "one", *map(xmltree.parse, trees), facts)


OVS1 = {"owner": "", "mtu": 0, "ports": {}}


def planned(
    ports: dict[str, Any],
    *nics: tuple[str, str],
    error: str = "",
    isolated: Sequence[str] = (),
    hook: dict[str, Any] | None = None,
    tree: str = NETWORK,
    plugged_in: int = 0,
    **options: Any,
) -> Plan:
    tree = xmltree.parse(tree)
    facts = {"state": "active", "autostart": True, "persistent": True}
    there = {
        "vswitch": {"lan": Have("vswitch", "lan", tree, tree, facts)},
        "vm": {"one": vm(*nics, plugged_in=plugged_in)},
    }
    found = {
        ("open_vswitch",): {
            "error": error,
            "ports": ports,
            "isolated": isolated,
            "bridges": {"ovs1": OVS1},
        },
        ("vlan_hook",): hook or {"installed": "", "called": False},
        ("interfaces",): {"ovs1": Interface()},
    }
    world = worlds.world(there, {**worlds.HERE, **found})
    given = {"name": "lan", "state": "active", "purge": False, "apply": "live", "autostart": None}
    [wanted] = KIND.parse({**given, **options})
    return KIND.plan(wanted, world.will_be("vswitch", "lan"), world)


OWN = "<vlan><tag id='7'/></vlan>"
AS_SAID = {"vnet0": [10, [], ""], "vnet1": [0, [], ""]}


def test_ports_as_they_are_to_be_are_left_alone() -> None:
    assert not planned(AS_SAID, ("web", ""), ("", "")).changed


@pytest.mark.parametrize(
    ("ports", "before"),
    [
        ({**AS_SAID, "vnet0": [11, [], ""]}, "VLAN 11"),
        ({**AS_SAID, "vnet0": [0, [], ""]}, "no VLAN"),
        ({**AS_SAID, "vnet0": [0, [5, 6, 7], ""]}, "trunk 5-7"),
        ({**AS_SAID, "vnet0": [5, [5, 6], "native-tagged"]}, "trunk 5-6, native 5"),
    ],
)
def test_a_port_that_is_not_as_its_group_says_is_set(ports: dict[str, Any], before: str) -> None:
    plan = planned(ports, ("web", ""), ("", ""))
    [row] = results(plan.changes)
    assert (row["field"], row["class"]) == ("ports", "live")
    assert row["before"] == {"one (52:54:00:00:00:00)": before}
    assert row["after"] == {"one (52:54:00:00:00:00)": "VLAN 10"}
    assert steps_of(plan) == ["retag"]


def test_a_nic_with_a_vlan_of_its_own_is_no_matter_of_its_group() -> None:
    assert not planned({"vnet0": [7, [], ""]}, ("web", OWN)).changed


def test_what_waits_for_the_next_start_leaves_ports_alone() -> None:
    ports = {"vnet0": [11, [], ""]}
    assert not planned(ports, ("web", ""), apply="next_boot").changed


def test_the_ports_follow_a_change_in_the_same_run() -> None:
    plan = planned({"vnet0": [10, [], ""]}, ("web", ""), port_groups=[{"name": "web", "vlan": 20}])
    rows = {row["field"]: row["after"] for row in results(plan.changes)}
    assert rows["ports"] == {"one (52:54:00:00:00:00)": "VLAN 20"}
    assert steps_of(plan) == ["define", "update", "retag"]


def tagged(vlan: int) -> str:
    return f"<vlan><tag id='{vlan}'/></vlan>"


def test_the_port_of_a_nic_that_somebody_plugged_in_follows_too() -> None:
    ports = {"vnet0": [10, [], ""], "vnet1": [7, [], ""], "vnet2": [0, [], ""]}
    nics = (("web", tagged(10)), ("web", tagged(7)), ("web", ""))
    group = {"name": "web", "vlan": 20}
    plan = planned(ports, *nics, plugged_in=3, port_groups=[group])
    rows = {row["field"]: row["after"] for row in results(plan.changes)}
    assert rows["ports"] == {
        "one (52:54:00:00:00:00)": "VLAN 20",
        "one (52:54:00:00:00:02)": "VLAN 20",
    }


ISOLATING = {"installed": "2f3c", "called": True, "nics": True, "isolates": True}
ISOLATED = NETWORK.replace("name='web'", "name='web' isolated='yes'")
FREED = "52:54:00:00:00:00"


def test_ports_are_isolated_as_their_group_says_whatever_vlans_their_nics_have() -> None:
    group = {"port_groups": [{"name": "web", "isolated": True}]}
    ports = {"vnet0": [10, [], ""], "vnet1": [7, [], ""], "vnet2": [0, [], ""]}
    nics = (("web", ""), ("web", OWN), ("all", ""))
    plan = planned(ports, *nics, isolated=["vnet2"], hook=ISOLATING, **group)
    rows = {row["field"]: row["after"] for row in results(plan.changes)}
    assert rows["ports"] == {
        "one (52:54:00:00:00:00)": "VLAN 10, isolated",
        "one (52:54:00:00:00:01)": "VLAN 7, isolated",
    }
    [row] = [row for row in results(plan.changes) if row["field"] == "ports"]
    assert "dropped from then on" in row["note"] and "VLANs" not in row["note"]
    assert steps_of(plan) == ["define", "update", "retag"]


def test_what_no_group_says_of_isolation_stays_as_it_is() -> None:
    assert not planned(AS_SAID, ("web", ""), ("", ""), isolated=["vnet0", "vnet1"]).changed


def test_ports_that_are_isolated_no_more_are_freed() -> None:
    said = {"port_groups": [{"name": "web", "isolated": False}]}
    plan = planned(AS_SAID, ("web", ""), isolated=["vnet0"], tree=ISOLATED, **said)
    rows = {row["field"]: (row["before"], row["after"]) for row in results(plan.changes)}
    both = ({f"one ({FREED})": "VLAN 10, isolated"}, {f"one ({FREED})": "VLAN 10"})
    assert rows["ports"] == both


@pytest.mark.parametrize("left", [{"purge": True}, {}])
def test_ports_are_freed_whose_port_group_goes_or_is_theirs_no_more(left: dict[str, Any]) -> None:
    tree = ISOLATED.replace("name='web'", "name='web' default='yes'")
    groups = [] if left else [{"name": "web", "default": False}]
    ports = {"vnet0": [10, [], ""]}
    plan = planned(ports, ("", ""), isolated=["vnet0"], tree=tree, port_groups=groups, **left)
    rows = {row["field"]: (row["before"], row["after"]) for row in results(plan.changes)}
    both = ({f"one ({FREED})": "VLAN 10, isolated"}, {f"one ({FREED})": "no VLAN"})
    assert rows["ports"] == both


@pytest.mark.parametrize(
    ("hook", "says"),
    [
        ({}, "its hook that does is not there: the role kvm_host installs it"),
        ({**ISOLATING, "isolates": False}, "of an older version; run the role kvm_host again"),
        ({**ISOLATING, "called": False}, "restart it"),
    ],
)
def test_who_isolates_as_vms_start_has_to_be_there(hook: dict[str, Any], says: str) -> None:
    with pytest.raises(Exception, match=f"port_groups.web.isolated: .*{says}"):
        planned({}, hook=hook, port_groups=[{"name": "web", "isolated": True}])
    untagged = {"vnet0": [0, [], ""]}
    assert not planned(untagged, ("", ""), hook=hook, tree=ISOLATED).changed


def test_tunnels_of_an_overlay_would_be_cut_off() -> None:
    over = {"peers": ["192.0.2.8"], "id": 7}
    with pytest.raises(Exception, match=r"web\.isolated: is not possible beside an overlay"):
        planned(
            {},
            hook=ISOLATING,
            bridge="ovs1",
            overlay=over,
            port_groups=[{"name": "web", "isolated": True}],
        )


def test_a_host_that_cannot_tell_its_ports_says_so() -> None:
    change = {"port_groups": [{"name": "web", "vlan": 20}]}
    plan = planned({}, ("web", ""), error="the host has no ovs-vsctl", **change)
    [warning] = plan.warnings
    assert warning.startswith("the host has no ovs-vsctl; ports of running VMs stay as they are")
    assert not planned({}, ("web", ""), error="the host has no ovs-vsctl").warnings


def test_a_restart_under_vms_that_run_is_refused() -> None:
    with pytest.raises(Exception, match="their ports stay in the switch that they are in"):
        planned(AS_SAID, ("web", ""), apply="restart", bridge="ovs1")


@pytest.mark.parametrize(
    ("said", "port"),
    [
        ("", (0, (), "")),
        ("<vlan><tag id='10'/></vlan>", (10, (), "")),
        ("<vlan trunk='yes'><tag id='10'/></vlan>", (0, (10,), "")),
        ("<vlan><tag id='20'/><tag id='10'/></vlan>", (0, (10, 20), "")),
        (
            "<vlan trunk='yes'><tag id='20'/><tag id='10' nativeMode='tagged'/></vlan>",
            (10, (10, 20), "native-tagged"),
        ),
    ],
)
def test_a_port_is_what_libvirt_would_make_of_it(said: str, port: tuple[Any, ...]) -> None:
    network = xmltree.parse(f"<network><portgroup name='a'>{said}</portgroup></network>")
    assert port_of(network, "a") == Port(*port)


def test_a_network_has_a_vlan_for_all_without_one() -> None:
    network = xmltree.parse(f"<network>{OWN}<portgroup name='a'/></network>")
    assert port_of(network, "a") == Port(7)


def test_what_ovs_vsctl_lists_is_read() -> None:
    said = """{"data":[["a",["set",[]],["set",[]],["set",[]]],["b",10,["set",[]],["set",[]]],
    ["c",5,["set",[6,5]],"native-untagged"],["d",["set",[]],7,["set",[]]]],
    "headings":["name","tag","trunks","vlan_mode"]}"""
    assert open_vswitch.ports_in(said) == {
        "a": [0, [], ""],
        "b": [10, [], ""],
        "c": [5, [5, 6], "native-untagged"],
        "d": [0, [7], ""],
    }


# ---- on bridges of Linux

BRIDGED = """<network><name>lan</name><uuid>0b1f5c3e-7c5e-4a0e-9a55-9f6b0c6f1c13</uuid>
<forward mode='bridge'/><bridge name='br0'/>
<portgroup name='web'><vlan><tag id='10'/></vlan></portgroup>
<portgroup name='all' default='yes'/></network>"""
IN_1 = [[1, 1, "pvid untagged"]]
IN_10 = [[10, 10, "pvid untagged"]]
HOOKED = {"installed": "2f3c", "called": True}


def bridged(
    vlans_of: dict[str, Any],
    *nics: tuple[str, str],
    filtering: bool = True,
    hook: dict[str, Any] | None = None,
    version: int = 9_000_000,
    **options: Any,
) -> Plan:
    """A plan for a vswitch on a bridge of Linux, whose taps are in these VLANs."""
    tree = xmltree.parse(BRIDGED)
    facts = {"state": "active", "autostart": True, "persistent": True}
    there = {
        "vswitch": {"lan": Have("vswitch", "lan", tree, tree, facts)},
        "vm": {"one": vm(*nics)},
    }
    link = {"kind": "bridge", "master": "", "filtering": filtering, "pvid": 1}
    taps = {tap: {"kind": "tun", "master": "br0"} for tap in vlans_of}
    found = {
        ("libvirt_version",): version,
        ("linux_bridges",): {"links": {"br0": link, **taps}, "vlans": vlans_of},
        ("vlan_hook",): HOOKED if hook is None else hook,
        ("interfaces",): {"br0": Interface()},
    }
    world = worlds.world(there, {**worlds.HERE, **found})
    given = {"name": "lan", "state": "active", "purge": False, "apply": "live", "autostart": None}
    [wanted] = KIND.parse({**given, **options})
    return KIND.plan(wanted, world.will_be("vswitch", "lan"), world)


def test_ports_of_a_bridge_as_they_are_to_be_are_left_alone() -> None:
    assert not bridged({"vnet0": IN_10, "vnet1": IN_1}, ("web", ""), ("", "")).changed


@pytest.mark.parametrize("version", [9_000_000, 11_003_000])
def test_a_port_of_a_bridge_follows_its_group(version: int) -> None:
    plan = bridged({"vnet0": IN_1, "vnet1": IN_1}, ("web", ""), ("", ""), version=version)
    [row] = results(plan.changes)
    assert (row["before"], row["after"]) == (
        {"one (52:54:00:00:00:00)": "VLAN 1"},
        {"one (52:54:00:00:00:00)": "VLAN 10"},
    )
    assert steps_of(plan) == ["retag"]


def test_ports_of_a_bridge_follow_a_change_in_the_same_run() -> None:
    groups = [{"name": "web", "trunk": ["20-21"], "native_vlan": 5}]
    plan = bridged({"vnet0": IN_10}, ("web", ""), port_groups=groups)
    rows = {row["field"]: row["after"] for row in results(plan.changes)}
    assert rows["ports"] == {"one (52:54:00:00:00:00)": "trunk 5,20-21, native 5"}
    assert steps_of(plan) == ["define", "update", "retag"]


@pytest.mark.parametrize(("version", "effect"), [(9_000_000, "live"), (11_000_000, "restart")])
def test_vlans_that_the_hook_sets_are_had_by_vms_that_start_whatever_waits(
    version: int, effect: str
) -> None:
    groups = [{"name": "web", "vlan": 20}]
    nics = ({"vnet0": IN_10}, ("web", ""))
    plan = bridged(*nics, version=version, port_groups=groups, apply="next_boot")
    [row] = results(plan.changes)
    assert (row["field"], row["class"]) == ("port_groups.web.vlan", effect)
    assert ("VMs that start get it" in row.get("note", "")) == (effect == "live")


def test_vlans_that_others_set_on_a_bridge_stay_until_they_are_declared() -> None:
    """By a hook of the administrator's own, say: the group has no VLANs that we know of."""
    by_hand = {"vnet1": [[7, 7, "pvid untagged"]]}
    assert not bridged(by_hand, ("web", ""), ("all", "")).changed
    plan = bridged(by_hand, ("web", ""), ("all", ""), port_groups=[{"name": "all", "vlan": 0}])
    [row] = results(plan.changes)
    assert row["after"] == {"one (52:54:00:00:00:01)": "VLAN 1"}


@pytest.mark.parametrize(
    ("hook", "version", "says"),
    [
        ({"installed": "", "called": False}, 9_000_000, "its hook that sets them is not there"),
        ({"installed": "2f3c", "called": False}, 10_000_000, "before its hook for VLANs was"),
        ({"installed": "", "called": False}, 11_000_000, ""),
    ],
)
def test_without_libvirt_11_and_without_the_hook_there_are_none(
    hook: dict[str, Any], version: int, says: str
) -> None:
    groups = [{"name": "new", "vlan": 30}]
    if not says:
        assert bridged({}, hook=hook, version=version, port_groups=groups).changed
        return
    with pytest.raises(Exception, match=says):
        bridged({}, hook=hook, version=version, port_groups=groups)
    assert not bridged({}, hook=hook, version=version).changed, "what is so already is no mistake"


def test_a_bridge_that_filters_no_vlans_is_refused() -> None:
    with pytest.raises(Exception, match="br0 does not filter VLANs"):
        bridged({}, filtering=False, port_groups=[{"name": "new", "vlan": 30}])
