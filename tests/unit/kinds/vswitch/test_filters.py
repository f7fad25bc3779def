"""Security and isolation of port groups: filters, and the NICs that follow."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import FleetError, FleetErrors
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import Have, Plan, Wanted
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch import filters, steps
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.changes import RefilteredLater
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.followers import (
    astray,
    users_of,
)
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.kind import KIND
from support import worlds

UUID = "0b1f5c3e-7c5e-4a0e-9a55-9f6b0c6f1c11"
ON_BRIDGE = "<forward mode='bridge'/><bridge name='br0'/>"
ACTIVE = {"state": "active", "autostart": False, "persistent": True}
STRICT, BY_GROUP = filters.STRICT, filters.BY_GROUP
FILTERED, ISOLATED = "<filterref filter='{}'/>", "<port isolated='{}'/>"


def network(groups: str, on: str = ON_BRIDGE) -> Have:
    text = f"<network><name>lan</name><uuid>{UUID}</uuid>{on}{groups}</network>"
    return Have("vswitch", "lan", xmltree.parse(text), xmltree.parse(text), ACTIVE)


def vm(
    name: str, stored: str, live: str | None = None, group: str = "web", how: str = FILTERED
) -> Have:
    def tree(has: str) -> xmltree.Element:
        reference = how.format(has) if has else ""
        nic = (
            f"<interface type='network'><mac address='52:54:00:00:00:01'/>"
            f"<source network='lan' portgroup='{group}'/>{reference}</interface>"
        )
        return xmltree.parse(f"<domain><name>{name}</name><devices>{nic}</devices></domain>")

    state = "stopped" if live is None else "running"
    facts = {"state": state, "autostart": False, "persistent": True}
    return Have("vm", name, tree(stored), None if live is None else tree(live), facts)


def planned(
    have: Have,
    vms: list[Have],
    declared: tuple[str, ...] = (),
    facts: dict[Any, Any] | None = None,
    **options: Any,
) -> Plan:
    there = {"vswitch": {"lan": have}, "vm": {one.name: one for one in vms}}
    world = worlds.world(there, facts)
    world.declared = {("vm", name): Wanted("vm", name, "present") for name in declared}
    spec = {name: one.get("default") for name, one in KIND.spec().items()}
    [wanted] = KIND.parse({**spec, "name": "lan", **options})
    return KIND.plan(wanted, have, world)


def followers(plan: Plan, field: str = "security") -> tuple[Any, Any]:
    [found] = [change for change in plan.changes if change.field == (field,)] or [None]
    return (None, None) if found is None else (found.before, found.after)


ASKS = {"port_groups": [{"name": "web", "security": "strict"}]}
WEB = "web (52:54:00:00:00:01)"


def test_nics_follow_as_they_are_stored_and_as_they_run() -> None:
    vms = [
        vm("web", "", ""),
        vm("idle", ""),
        vm("own", "mine", "mine"),
        vm("waits", "mine", ""),
        vm("other", "", "", group="else"),
        vm("so", BY_GROUP, BY_GROUP),
    ]
    plan = planned(network("<portgroup name='web'/><portgroup name='else'/>"), vms, **ASKS)
    before, after = followers(plan)
    assert set(before) == {WEB, "idle (52:54:00:00:00:01)"}
    assert set(before.values()) == {"permissive"} and set(after.values()) == {"strict"}
    assert steps.steps_of(plan) == ["define", "follow", "update"]


def test_a_group_that_is_strict_no_more_lets_its_nics_go() -> None:
    have = network("<portgroup name='web' security='strict'/>")
    asks = {"port_groups": [{"name": "web", "security": "permissive"}]}
    vms = [vm("web", BY_GROUP, BY_GROUP), vm("own", STRICT, STRICT)]
    assert followers(planned(have, vms, **asks)) == ({WEB: "strict"}, {WEB: "permissive"})


def test_the_parameters_that_go_with_a_filter_are_told() -> None:
    have = network("<portgroup name='web' security='strict'/>")
    asks = {"port_groups": [{"name": "web", "security": "permissive"}]}
    how = "<filterref filter='{}'><parameter name='IP' value='192.0.2.7'/></filterref>"
    plan = planned(have, [vm("web", BY_GROUP, BY_GROUP, how=how)], **asks)
    assert followers(plan) == ({WEB: "strict (IP=192.0.2.7)"}, {WEB: "permissive"})


def test_what_others_set_otherwise_is_set_back_and_nothing_else() -> None:
    have = network("<portgroup name='web' security='strict'/>")
    assert followers(planned(have, [vm("web", BY_GROUP, "")], **ASKS))[0] == {WEB: "permissive"}
    assert not planned(have, [vm("web", BY_GROUP, BY_GROUP)], **ASKS).changed
    gone = vm("web", BY_GROUP, BY_GROUP, group="gone")
    assert not planned(have, [gone], **ASKS).changed, "whose group is not there keeps its filter"


def test_vms_of_the_same_run_follow_by_their_own_plans() -> None:
    plan = planned(network("<portgroup name='web'/>"), [vm("web", "", "")], ("web",), **ASKS)
    assert followers(plan) == (None, None)


def test_what_runs_waits_where_it_is_to() -> None:
    have = network("<portgroup name='web' security='strict'/>")
    vms = [vm("web", BY_GROUP, "")]
    assert not planned(have, vms, apply="next_boot", **ASKS).changed
    plan = planned(network("<portgroup name='web'/>"), vms, apply="next_boot", **ASKS)
    [change] = plan.changes
    assert "without apply: next_boot" in change.note


def test_where_what_runs_waits_only_what_is_stored_follows() -> None:
    have = network("<portgroup name='web'/>")
    plan = planned(have, [vm("web", "", ""), vm("waits", BY_GROUP, "")], apply="next_boot", **ASKS)
    [change] = [change for change in plan.changes if change.field == ("security",)]
    assert isinstance(change, RefilteredLater)
    assert (change.after, change.takes_effect) == ({WEB: "strict"}, "stored")


def test_of_a_vm_that_ends_with_what_runs_nothing_is_stored() -> None:
    transient = replace(vm("web", "", ""), facts={"state": "running", "persistent": False})
    lan = network("<portgroup name='web' security='strict'/>").stored
    assert lan is not None
    [one] = astray("security", lan, users_of("lan", {"web": transient}, ()), waits=False)
    assert one.runs


def test_a_vm_that_is_saved_comes_back_as_it_was() -> None:
    saved = replace(vm("web", "", None), facts={"state": "saved", "persistent": True})
    plan = planned(network("<portgroup name='web'/>"), [saved], **ASKS)
    assert any("these are saved" in text and text.endswith("web") for text in plan.warnings)


@pytest.mark.parametrize(
    ("groups", "asks"),
    [
        ("<portgroup name='web' security='strict' isolated='yes'/>", {"state": "absent"}),
        ("<portgroup name='web' isolated='yes'/><portgroup name='x'/>", {"state": "absent"}),
    ],
)
def test_nics_to_which_no_port_group_says_anything_any_more_are_told(
    groups: str, asks: dict[str, Any]
) -> None:
    nic = vm(
        "web", "yes", "yes", how="<filterref filter='kvm-fleet-port-group'/><port isolated='{}'/>"
    )
    plan = planned(network(groups), [nic], port_groups=[{"name": "web", **asks}])
    assert followers(plan, "isolated") == followers(plan) == (None, None)
    told = [text for text in plan.warnings if "no port group says" in text]
    assert len(told) == (2 if "strict" in groups else 1) and all(WEB in text for text in told)


@pytest.mark.parametrize(
    ("asks", "declared", "told"),
    [
        ({"port_groups": [{"name": "web", "state": "absent"}]}, (), True),
        ({"port_groups": [], "purge": True}, (), True),
        ({"port_groups": [{"name": "x", "state": "absent"}]}, (), False),
        ({"port_groups": [{"name": "web", "state": "absent"}]}, ("web",), False),
    ],
)
def test_nics_that_name_a_port_group_which_goes_are_told(
    asks: dict[str, Any], declared: tuple[str, ...], told: bool
) -> None:
    lan = network("<portgroup name='web'/><portgroup name='x'/>")
    plan = planned(lan, [vm("web", "")], declared, **asks)
    assert [WEB in text for text in plan.warnings if "port group that goes" in text] == [
        True
    ] * told


def test_the_filter_of_a_former_vswitch_goes_with_a_new_one_of_that_name() -> None:
    new = Have("vswitch", "lan")
    groups = {"type": "bridge", "bridge": "br0", "port_groups": [{"name": "web"}]}
    assert followers(planned(new, [vm("web", BY_GROUP, None)], **groups))[1] == {WEB: "permissive"}


# ---- isolation


def isolated(said: bool) -> dict[str, Any]:
    return {"port_groups": [{"name": "web", "isolated": said}]}


def test_nics_are_isolated_as_their_port_group_says() -> None:
    vms = [
        vm("web", "", "", how=ISOLATED),
        vm("half", "yes", "", how=ISOLATED),
        vm("so", "yes", "yes", how=ISOLATED),
        vm("other", "", "", group="else", how=ISOLATED),
    ]
    have = network("<portgroup name='web'/><portgroup name='else'/>")
    plan = planned(have, vms, **isolated(True))
    half = "half (52:54:00:00:00:01)"
    assert followers(plan, "isolated") == (
        {WEB: "not isolated", half: "not isolated"},
        {WEB: "isolated", half: "isolated"},
    )
    assert steps.steps_of(plan) == ["define", "follow", "update"]

    had = network("<portgroup name='web' isolated='yes'/><portgroup name='else'/>")
    left = planned(had, vms, **isolated(False))
    so = {"half (52:54:00:00:00:01)", "so (52:54:00:00:00:01)"}
    assert set(followers(left, "isolated")[1]) == so


def test_a_port_group_that_says_nothing_of_isolation_leaves_it_to_its_nics() -> None:
    own = [vm("web", "yes", "yes", how=ISOLATED)]
    plan = planned(network("<portgroup name='web' security='strict'/>"), own, **ASKS)
    assert followers(plan, "isolated") == (None, None)


def test_a_whole_network_that_isolates_goes_before_its_port_groups() -> None:
    have = network("<portgroup name='web' isolated='no'/><port isolated='yes'/>")
    plan = planned(have, [vm("web", "", "yes", how=ISOLATED)], **isolated(False))
    assert followers(plan, "isolated") == (None, None)


def test_two_nics_of_one_mac_both_follow() -> None:
    one = vm("web", "", None)
    _add_nic(one, "")
    lan = xmltree.parse(
        "<network><name>lan</name><portgroup name='web' security='strict'/></network>"
    )
    found = list(astray("security", lan, users_of("lan", {"web": one}, ()), waits=False))
    assert [one.nth for one in found] == [0, 1]


def test_of_two_nics_of_one_mac_that_follows_whose_port_group_says_something() -> None:
    one = vm("web", "", "", group="silent")
    _add_nic(one, "<source network='lan' portgroup='says'/>")
    have = network("<portgroup name='silent'/><portgroup name='says' isolated='yes'/>")
    assert have.stored is not None
    found = astray("isolated", have.stored, users_of("lan", {"web": one}, ()), waits=False)
    assert [(one.nth, one.runs) for one in found] == [(1, False), (1, True)]


def _add_nic(have: Have, source: str) -> None:
    """Give a VM one NIC more, which is as its first but for its source."""
    for tree in (have.stored, have.live):
        devices = None if tree is None else tree.find("devices")
        if devices is None:
            continue
        more = xmltree.clone(devices[0])
        if source:
            xmltree.put(more, "source!", None)
            more.append(xmltree.parse(source))
        devices.append(more)


def test_what_nics_have_by_a_port_group_goes_with_their_vswitch() -> None:
    groups = "<portgroup name='web' isolated='yes'/><portgroup name='else'/>"
    vms = [
        vm("web", "yes", how=ISOLATED),
        vm("own", "yes", group="else", how=ISOLATED),
        vm("not", "", how=ISOLATED),
    ]
    plan = planned(network(groups), vms, state="absent")
    assert followers(plan, "isolated") == ({WEB: "isolated"}, {WEB: "not isolated"})
    assert steps.steps_of(plan) == ["stop", "follow", "undefine"]
    left = planned(network("<portgroup name='web'/>"), vms, state="absent")
    assert followers(left, "isolated") == (None, None)
    own = planned(network(groups), vms, ("web",), state="absent")
    assert followers(own, "isolated") == (None, None), "it follows by its own plan"


def test_of_a_new_vswitch_who_is_isolated_all_the_same_is_told() -> None:
    groups = {"type": "bridge", "bridge": "br0", "port_groups": [{"name": "web"}]}
    vms = [vm("web", "yes", how=ISOLATED), vm("not", "", how=ISOLATED)]
    [told] = planned(Have("vswitch", "lan"), vms, **groups).warnings
    assert told.startswith("these are isolated by themselves, or by a former vswitch of this name")
    assert WEB in told and "not (" not in told
    says = {**groups, "port_groups": [{"name": "web", "isolated": False}]}
    plan = planned(Have("vswitch", "lan"), vms, **says)
    assert followers(plan, "isolated")[1] == {WEB: "not isolated"} and not plan.warnings


# ---- the filters


@pytest.mark.parametrize(
    ("there", "is_now"),
    [("", "missing"), ("<filter><rule action='accept' priority='1'/></filter>", "changed")],
)
def test_filters_are_made_where_they_are_not(there: str, is_now: str) -> None:
    facts = {("network_filter", STRICT): there}
    plan = planned(network("<portgroup name='web'/>"), [], (), facts, **ASKS)
    [made] = [change for change in plan.changes if change.field == ("filters",)]
    assert (made.before, made.after) == ({STRICT: is_now}, {STRICT: "made"})
    assert steps.steps_of(plan)[:2] == ["define", "filters"]


def test_details_of_rules_may_be_written_in_another_way() -> None:
    text = xmltree.serialise(filters.definition(STRICT)).replace("'68'", "'68' dstportend='68'")
    assert filters.is_as_made(STRICT, text.replace("0.0.0.0", "0.0.0.0/32"))
    for was, will in (
        ("-870", "-871"),
        ("srcipaddr='$IP'", "srcipaddr='192.0.2.9'"),
        ("match='no'", "match='yes'"),
        (" opcode='Request_Reverse'", ""),
        ("<arp ", "<arp gratuitous='true' "),
        ("chain='root'", "chain='root' priority='-5'"),
    ):
        assert was in text
        assert not filters.is_as_made(STRICT, text.replace(was, will)), will


def test_a_libvirt_without_filters_says_so() -> None:
    facts = {("network_filter", name): None for name in filters.NAMES}
    with pytest.raises((FleetError, FleetErrors), match="install its driver"):
        planned(network("<portgroup name='web'/>"), [], (), facts, **ASKS)


def test_where_there_is_no_bridge_nothing_is_isolated() -> None:
    have = network(
        "<portgroup name='web'/>", "<forward mode='bridge'><interface dev='e0'/></forward>"
    )
    with pytest.raises((FleetError, FleetErrors), match="isolated: is not possible on no bridge"):
        planned(have, [], port_groups=[{"name": "web", "isolated": True}])


@pytest.mark.parametrize(
    ("on", "asks", "says"),
    [
        (f"{ON_BRIDGE}<virtualport type='openvswitch'/>", {}, "not possible on Open vSwitch"),
        ("<forward mode='bridge'><interface dev='e0'/></forward>", {}, "not possible on no bridge"),
        (f"{ON_BRIDGE}<virtualport type='openvswitch'/>", {"trunk": ["5"]}, "Open vSwitch"),
    ],
)
def test_where_there_are_no_filters_there_is_no_security(
    on: str, asks: dict[str, Any], says: str
) -> None:
    have = network("<portgroup name='web'/>", on)
    with pytest.raises((FleetError, FleetErrors), match=says):
        planned(have, [], port_groups=[{"name": "web", "security": "strict", **asks}])


@pytest.mark.parametrize("inside", ["<host ip='192.0.2.1'/>", "<txt name='a' value='b'/>"])
def test_what_others_added_for_dnsmasq_is_told_before_a_change(inside: str) -> None:
    """libvirt takes it of a network on a bridge by an update, and refuses it in a definition."""
    dns = f"<dns>{inside}</dns>"
    have = network("<portgroup name='web'/>", f"{ON_BRIDGE}{dns}")
    assert not planned(have, []).changed
    with pytest.raises((FleetError, FleetErrors), match=r"dns: has a <\w+> in <dns>, which others"):
        planned(have, [], port_groups=[{"name": "new"}])
    of_libvirt = network("<portgroup name='web'/>", f"<bridge name='virbr1'/>{dns}")
    assert planned(of_libvirt, [], port_groups=[{"name": "new"}]).changed


def test_limits_that_others_added_beside_a_device_are_told_before_a_change() -> None:
    """libvirt takes them by an update, and refuses them in a definition."""
    on = "<forward mode='private'><interface dev='eth0'/></forward>"
    limited = "<portgroup name='web'><bandwidth><inbound average='77'/></bandwidth></portgroup>"
    have = network(limited, on)
    assert not planned(have, []).changed
    with pytest.raises((FleetError, FleetErrors), match=r"web\.bandwidth: is there, since others"):
        planned(have, [], port_groups=[{"name": "new"}])
    goes = planned(have, [], port_groups=[{"name": "web", "state": "absent"}, {"name": "new"}])
    assert goes.changed
