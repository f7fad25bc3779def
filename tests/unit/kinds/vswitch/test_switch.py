"""The switch beneath a vswitch on Open vSwitch: what is planned, refused, and told to ovs-vsctl."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.changes import Change, NoUndo
from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import FleetErrors
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import Plan
from ansible_collections.kvm.fleet.plugins.module_utils.engine.showing import results
from ansible_collections.kvm.fleet.plugins.module_utils.engine.world import World
from ansible_collections.kvm.fleet.plugins.module_utils.host import links, open_vswitch
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch import limits
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.kind import KIND
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.steps import steps_of
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.switch import (
    commands,
    seen,
)
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.switch.seen import Switch
from support.vswitches import on_switch, planned_in, refused_in, rows, world_here

NO_LINKS = (".", "..", "all", "default", "-x")
NEW = {"type": "openvswitch", "bridge": "ovs0"}


def link(**said: Any) -> dict[str, Any]:
    nothing = {"master": "", "kind": "", "below": "", "addresses": [], "max_mtu": 9000}
    return {**nothing, "default": False, "up": True, **said}


LINKS = {
    **{f"eno{number}": link() for number in range(1, 5)},
    "small": link(max_mtu=1500),
    "used": link(addresses=["192.0.2.7/24"], default=True),
    "slave": link(master="bond0"),
    "lo": link(kind="loopback"),
    "elsewhere": link(master="ovs-system"),
    "carrier": link(),
    "carrier.7": link(kind="vlan", below="carrier", addresses=["192.0.2.9/24"]),
}


def port(*nics: str, uplink: bool = True, mtu: int = 0, **bond: str) -> dict[str, Any]:
    of_bond = {"mode": "", "lacp": "", "primary": "", **bond}
    return {"uplink": uplink, "nics": dict.fromkeys(nics, mtu), **of_bond}


OVS9 = {"owner": "", "mtu": 0, "ports": {"elsewhere": port("elsewhere", uplink=False)}}


def found(owner: str = "prod", mtu: int = 0, **ports: Any) -> dict[str, Any]:
    """What Open vSwitch says that has a bridge ovs0 with these ports, and another."""
    bridges = {"ovs0": {"owner": owner, "mtu": mtu, "ports": ports}, "ovs9": OVS9}
    return {"error": "", "ports": {}, "bridges": bridges, "datapaths": ["netdev", "system"]}


NOTHING = {**found(), "bridges": {}}
PAIR = port("eno1", "eno2", mode="active-backup", lacp="off", primary="eno1")


def world_of(
    said: dict[str, Any],
    there: bool = True,
    others: Any = None,
    here: bool = True,
    links_of: Any = None,
    files: Any = None,
) -> World:
    haves = {"prod": on_switch("openvswitch", "ovs0", seen.of_bridge(said, "ovs0"))}
    return world_here(
        {**(haves if there else {}), **(others or {})},
        {**LINKS, **(links_of or {})},
        open_vswitch=said,
        **({} if files is None else {"linux_bridges": {"files": {"units": files}}}),
        **({} if here else {"uri": "qemu+ssh://host/system"}),
    )


def planned(said: dict[str, Any], world: World | None = None, **options: Any) -> Plan:
    return planned_in(world or world_of(said, "type" not in options), **options)


def refused(said: dict[str, Any], **options: Any) -> str:
    return refused_in(world_of(said, "type" not in options), **options)


# ---- what is planned


def test_a_bridge_that_is_not_there_is_made_with_its_uplinks() -> None:
    uplinks = {"nics": ["eno2", "eno1"], "primary": "eno2"}
    plan = planned(NOTHING, **NEW, uplinks=uplinks, mtu=9000)
    told = rows(plan)
    assert told["switch"] == (None, "bridge ovs0 of Open vSwitch")
    assert told["uplinks.nics"] == ([], ["eno1", "eno2"])
    assert told["uplinks.teaming"] == ("", "active_backup")
    assert told["uplinks.primary"] == ("", "eno2")
    assert told["mtu"] == (0, 9000)
    assert {row["class"] for row in results(plan.changes) if "uplinks" in row["field"]} == {"live"}
    assert steps_of(plan) == ["define", "autostart", "wire", "start"]
    assert plan.after.facts["switch"] == "prod"
    assert "mtu" not in xmltree.serialise(plan.after.definition)


def test_a_bridge_has_a_name_where_none_is_said() -> None:
    plan = planned(NOTHING, type="openvswitch")
    assert rows(plan)["switch"] == (None, "bridge vs-prod of Open vSwitch")


def test_a_bridge_that_others_made_is_used_as_it_is() -> None:
    there = found("", trunk=port("eno1", uplink=False))
    plan = planned(there, **NEW)
    assert "switch" not in rows(plan) and "wire" not in steps_of(plan)
    assert plan.after.facts["switch"] == ""


def test_what_is_as_declared_is_not_changed() -> None:
    uplinks = {"nics": ["eno1", "eno2"], "teaming": "active_backup", "primary": "eno1"}
    assert not planned(found(bond=PAIR), uplinks=uplinks, mtu=0).changed
    assert not planned(found(bond=PAIR), uplinks={"teaming": "active_backup"}).changed


def test_an_uplink_comes_while_the_others_go_on() -> None:
    plan = planned(found(bond=PAIR), uplinks={"nics": ["eno1", "eno2", "eno3"]})
    [change] = plan.changes
    assert (change.before, change.after) == (["eno1", "eno2"], ["eno1", "eno2", "eno3"])
    assert change.note == "the other uplinks go on meanwhile"
    assert steps_of(plan) == ["wire"]
    back = change.undo()
    assert isinstance(back, Change) and back.after == ["eno1", "eno2"]


def test_where_all_uplinks_are_others_the_plan_says_who_waits() -> None:
    plan = planned(found(bond=PAIR), uplinks={"nics": ["eno3", "eno4"], "primary": "eno3"})
    assert "pauses for a moment" in plan.changes[0].note


def test_a_second_uplink_makes_a_bond_and_says_who_waits() -> None:
    plan = planned(found(eno1=port("eno1")), uplinks={"nics": ["eno1", "eno2"]})
    note = plan.changes[0].note
    assert note == "what goes out by the uplinks pauses for a moment, for no VM that runs"
    assert rows(plan)["uplinks.teaming"] == ("", "active_backup")


def test_what_is_left_of_one_uplink_is_no_bond() -> None:
    plan = planned(found(bond=PAIR), uplinks={"nics": ["eno2"]})
    assert rows(plan) == {
        "uplinks.nics": (["eno1", "eno2"], ["eno2"]),
        "uplinks.teaming": ("active_backup", ""),
        "uplinks.primary": ("eno1", ""),
    }


def test_no_uplink_is_said_to_cut_off() -> None:
    change = planned(found(eno1=port("eno1")), uplinks={"nics": []}).changes[0]
    assert change.note == "nothing goes out any more, for no VM that runs"


def test_a_bridge_that_went_is_made_again_where_it_is_declared() -> None:
    plan = planned(NOTHING, world_of(NOTHING), **NEW)
    assert list(rows(plan)) == ["switch"]
    assert isinstance(plan.changes[0].undo(), NoUndo)
    # Who declares nothing of it does not ask.
    assert not planned(NOTHING, world_of(NOTHING)).changed


def test_two_vswitches_of_one_run_share_the_bridge_that_the_first_makes() -> None:
    world = world_of(NOTHING, there=False)
    world.add(planned(NOTHING, world, **NEW, uplinks={"nics": ["eno1"]}))
    second = planned(NOTHING, world, **NEW, name="other")
    assert "switch" not in rows(second)
    assert second.after.facts["switch"] == "prod"
    with pytest.raises(FleetErrors, match="eno1 is an uplink of vswitch/prod"):
        uplinks = {"nics": ["eno1"]}
        planned(NOTHING, world, type="openvswitch", name="third", uplinks=uplinks)


def test_nothing_is_told_of_a_switch_that_nobody_sees() -> None:
    told = KIND.result(on_switch("openvswitch", "ovs0", None))
    assert not {"mtu", "uplinks"} & told.keys()


def test_a_switch_is_told_as_it_can_be_declared() -> None:
    have = world_of(found(bond=PAIR, mtu=1400)).will_be("vswitch", "prod")
    told = KIND.result(have)
    assert told["uplinks"]["nics"] == ["eno1", "eno2"] and "switch" not in told
    assert told["uplinks"]["teaming"] == "active_backup"
    options = {name: told[name] for name in ("type", "bridge", "uplinks", "mtu")}
    assert not planned(found(bond=PAIR), world_of(found(bond=PAIR)), **options).changed


def test_a_limit_that_open_vswitch_takes_for_none_is_told() -> None:
    for limit, is_told in (
        ({"average": "10MiB"}, True),
        ({"average": "10MiB", "peak": "10MiB"}, False),
        ({"average": "0B"}, False),
    ):
        group = {"name": "slow", "bandwidth": {"inbound": limit, "outbound": {"average": "1MiB"}}}
        plan = planned(found(), port_groups=[group])
        assert [one for one in plan.warnings if "declare peak" in one] == (
            [f"port_groups.slow.bandwidth.inbound: {limits.PEAK}"] if is_told else []
        )


def test_a_unit_that_is_missing_is_written_again() -> None:
    """A start of the host would leave the uplinks down."""
    said = found(eno1=port("eno1"))
    name = "kvm-fleet-switch-ovs0.service"
    for files, was in (({}, "not there"), ({name: ""}, "otherwise")):
        plan = planned(said, world_of(said, files=files), uplinks={"nics": ["eno1"]})
        assert rows(plan) == {"links": ({name: was}, {name: "as declared"})}
    others = found("other", eno1=port("eno1"))
    assert not rows(planned(others, world_of(others, files={}), port_groups=[]))


def test_of_bridges_of_linux_nobody_is_asked() -> None:
    """Programs would be called for it in each run."""
    said = found(eno1=port("eno1"))
    world = world_of(said)
    assert not planned(said, world, uplinks={"nics": ["eno1"]}).changes
    asked = {fact for fact, *_of in world.facts.answers()}
    assert "switch_files" in asked
    assert not {"linux_bridges", "network_keeper", "network_manager"} & asked


def test_an_uplink_that_is_down_is_set_up_again() -> None:
    said = found(eno1=port("eno1"))
    down = {"eno1": link(up=False)}
    plan = planned(said, world_of(said, links_of=down), uplinks={"nics": ["eno1"]})
    assert rows(plan) == {"links": ({"eno1": "down"}, {"eno1": "up"})}
    assert steps_of(plan) == ["wire"]


@pytest.mark.parametrize(
    ("mode", "lacp", "way"),
    [
        ("balance-tcp", "active", "lacp"),
        ("balance-slb", "", "balance_slb"),
        ("active-backup", "", "active_backup"),
    ],
)
def test_a_bond_of_others_that_is_taken_over_keeps_its_teaming(
    mode: str, lacp: str, way: str
) -> None:
    bond = port("eno1", "eno2", uplink=False, mode=mode, lacp=lacp)
    plan = planned(found("", bond=bond), uplinks={"nics": ["eno1", "eno2"]})
    assert rows(plan)["uplinks.teaming"][1] == way


def test_a_teaming_of_others_that_no_option_says_has_to_be_declared() -> None:
    bond = port("eno1", "eno2", uplink=False, mode="balance-tcp", lacp="passive")
    uplinks = {"nics": ["eno1", "eno2"]}
    said = refused(found("", bond=bond), uplinks=uplinks)
    assert "teaming: is 'balance-tcp lacp=passive', as others set it; declare one" in said
    plan = planned(found("", bond=bond), uplinks={**uplinks, "teaming": "lacp"})
    assert rows(plan)["uplinks.teaming"][1] == "lacp"


def test_of_a_bond_of_others_none_is_left_out() -> None:
    bond = port("eno1", "eno2", uplink=False, mode="balance-slb")
    said = refused(found("", bond=bond), uplinks={"nics": ["eno1"]})
    assert "eno1 is in a bond that others made, with eno2, which would come off ovs0" in said


# ---- what goes


def test_a_switch_of_ours_goes_with_its_vswitch() -> None:
    plan = planned(found(bond=PAIR), state="absent")
    assert rows(plan)["switch"] == ("bridge ovs0 of Open vSwitch", "absent")
    assert steps_of(plan) == ["stop", "unwire", "undefine"]


@pytest.mark.parametrize(
    ("said", "others"),
    [
        (found(bond=PAIR, tap9=port("tap9", uplink=False)), None),
        (found(bond=PAIR), {"other": "other"}),
    ],
)
def test_a_switch_with_others_on_it_stays(said: dict[str, Any], others: Any) -> None:
    haves = {name: on_switch("openvswitch", "ovs0", None, name) for name in others or ()}
    plan = planned(said, world_of(said, others=haves), state="absent")
    assert rows(plan)["switch"][1] == "kept"
    assert steps_of(plan) == ["stop", "undefine"]


def test_a_switch_of_others_is_not_spoken_of() -> None:
    assert "switch" not in rows(planned(found("", bond=PAIR), state="absent"))


def test_of_a_switch_that_nobody_sees_it_is_said_that_it_stays() -> None:
    silent = {"error": "no answer within 10 s", "bridges": {}, "ports": {}}
    [row] = [
        row for row in results(planned(silent, state="absent").changes) if row["field"] == "switch"
    ]
    assert row["after"] == "kept"
    assert row["note"].endswith("ovs-vsctl del-br ovs0 removes it; no answer within 10 s")


def test_a_switch_by_which_the_host_is_reached_keeps_its_last_uplink_and_stays() -> None:
    said = found(eno1=port("eno1"))
    reached = {"ovs0": link(addresses=["192.0.2.7/24"], default=True)}
    with pytest.raises(FleetErrors, match="the host has the address 192"):
        planned(said, world_of(said, links_of=reached), uplinks={"nics": []})
    assert planned(said, world_of(said, links_of=reached), uplinks={"nics": ["eno2"]}).changed
    plan = planned(said, world_of(said, links_of=reached), state="absent")
    assert rows(plan)["switch"][1] == "kept"
    assert "unwire" not in steps_of(plan)


# ---- what is refused


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"uplinks": {"nics": ["eno9"]}}, "nics: the host has no interface eno9"),
        ({"uplinks": {"nics": ["slave"]}}, "nics: slave is on bond0"),
        ({"uplinks": {"nics": ["elsewhere"]}}, "elsewhere is on the bridge ovs9 of Open vSwitch"),
        ({"uplinks": {"nics": ["carrier"]}}, "nics: carrier has carrier.7 on it, which would be"),
        ({"uplinks": {"nics": ["lo"]}}, "nics: lo is a loopback"),
        (
            {"uplinks": {"nics": ["used"]}},
            "used has the address 192.0.2.7/24 and the default route, which no uplink has: the",
        ),
        ({"uplinks": {"nics": ["eno1", "eno1"]}}, "has eno1 twice"),
        ({"uplinks": {"nics": ["longer-than-linux-has"]}}, "is not the name of an interface"),
        ({"uplinks": {"nics": ["-x"]}}, "'-x' is not the name of an interface"),
        ({"uplinks": {"nics": ["eno1"], "teaming": "lacp"}}, "lacp needs two uplinks or more"),
        ({"uplinks": {"teaming": "lacp"}}, "lacp needs two uplinks or more, and there is none"),
        (
            {"uplinks": {"nics": ["eno1", "eno2"], "primary": "eno3"}},
            "primary: eno3 is none of the uplinks, which are eno1, eno2",
        ),
        (
            {"uplinks": {"nics": ["eno1", "eno2"], "primary": "eno1", "teaming": "lacp"}},
            "primary: means nothing with lacp; only active_backup has one",
        ),
        (
            {"uplinks": {"nics": ["eno1", "small"]}, "mtu": 9000},
            "mtu: 9000 is more than small can have, which is 1500",
        ),
        ({"mtu": 20}, "mtu: 20 is less than 68"),
        ({"bridge": "longer-than-linux-has"}, "is not the name of a bridge: up to 15"),
        *(({"bridge": name}, f"{name!r} is not the name of a bridge") for name in NO_LINKS),
        (
            {"type": "bridge", "uplinks": {"nics": ["eno1"]}},
            "uplinks: are not possible for a vswitch of type bridge: the host's network manager",
        ),
        (
            {"type": "isolated", "bridge": None, "uplinks": {"nics": []}},
            "uplinks: are not possible for a vswitch of type isolated: libvirt makes its bridge",
        ),
    ],
)
def test_what_cannot_be_is_refused(options: dict[str, Any], message: str) -> None:
    assert message in refused({**found(), "bridges": {"ovs9": OVS9}}, **{**NEW, **options})


def test_a_host_without_open_vswitch_can_have_none() -> None:
    without = {**NOTHING, "error": "the host has no ovs-vsctl"}
    told = refused(without, **NEW, uplinks={"nics": ["eno1"]})
    assert "the host has no bridge ovs0, and none can be made: the host has no ovs-vsctl" in told
    world = world_of(without, there=False)
    world.assume_on_host = True
    plan = planned(without, world, **NEW, uplinks={"nics": ["eno1"]})
    assert "the host has no ovs-vsctl; the plan is made without uplinks.nics" in plan.warnings


def test_a_host_reached_from_afar_is_not_set() -> None:
    world = world_of(NOTHING, there=False, here=False)
    with pytest.raises(FleetErrors, match="Open vSwitch is set on its own machine only"):
        planned(NOTHING, world, **NEW, uplinks={"nics": ["eno1"]})
    assert planned(NOTHING, world, **NEW).changed


def test_the_uplinks_of_another_vswitch_are_declared_there() -> None:
    there = found("other", bond=PAIR)
    assert "uplinks: cannot change here: the bridge is that of vswitch/other" in refused(
        there, uplinks={"nics": ["eno1"]}
    )
    assert not planned(there, uplinks={"nics": ["eno1", "eno2"]}).changed


# ---- what ovs-vsctl is told


def told(said: dict[str, Any], will: Switch) -> list[str]:
    return [" ".join(one) for one in commands.making(said, "ovs0", will)]


MARKED = "external_ids:kvm-fleet=uplink"
NO_PRIMARY = "other_config bond-primary"


def test_a_bridge_is_made_and_marked_in_one_transaction() -> None:
    assert told(NOTHING, Switch("prod", ("eno1",), mtu=9000)) == [
        "--may-exist add-br ovs0",
        "set Bridge ovs0 external_ids:kvm-fleet=prod",
        "add-port ovs0 eno1",
        f"set Port eno1 {MARKED}",
        f"remove Port eno1 {NO_PRIMARY}",
        "set Interface ovs0 mtu_request=9000",
        "set Interface eno1 mtu_request=9000",
    ]


def test_without_the_module_of_the_kernel_it_is_in_user_space() -> None:
    [_add, named] = told({**NOTHING, "datapaths": ["netdev"]}, Switch("prod"))
    assert named == "set Bridge ovs0 external_ids:kvm-fleet=prod datapath_type=netdev"


def test_a_bond_is_changed_in_place() -> None:
    will = Switch("prod", ("eno2", "eno3"), "lacp")
    assert told(found(bond=PAIR), will) == [
        "add-bond-iface bond eno3",
        "del-bond-iface bond eno1",
        f"set Port bond {MARKED} bond_mode=balance-tcp lacp=active",
        f"remove Port bond {NO_PRIMARY}",
    ]


def test_a_bond_whose_uplinks_are_all_others_has_some_at_all_times() -> None:
    assert told(found(bond=PAIR), Switch("prod", ("eno3", "eno4"), "lacp"))[:3] == [
        "--id=@nic0 create Interface name=eno3",
        "--id=@nic1 create Interface name=eno4",
        "set Port bond interfaces=@nic0,@nic1",
    ]


def test_an_mtu_is_taken_away_only_where_it_goes() -> None:
    """Of one uplink others may have asked for one, which no declaration names."""
    will = Switch("prod", ("eno1",))
    asked = [one for one in told(found(eno1=port("eno1", mtu=9000)), will) if "mtu" in one]
    assert asked == []
    gone = [one for one in told(found(mtu=9000, eno1=port("eno1", mtu=9000)), will) if "mtu" in one]
    assert gone == ["clear Interface ovs0 mtu_request", "clear Interface eno1 mtu_request"]


def test_uplinks_have_the_usual_mtu_where_none_is_asked_for_any_more() -> None:
    """Open vSwitch leaves them what it gave them, and its own ports get no more."""
    was, will = Switch("prod", ("eno1",), mtu=9000), Switch("prod", ("eno2",))
    assert [" ".join(one) for one in commands.usual_mtus(was, will)] == [
        "ip link set dev eno1 mtu 1500",
        "ip link set dev eno2 mtu 1500",
    ]
    assert not [*commands.usual_mtus(Switch("prod", ("eno1",)), will)]


def test_one_uplink_that_becomes_two_is_made_anew() -> None:
    will = Switch("prod", ("eno1", "eno2"), "active_backup", "eno1")
    assert told(found(eno1=port("eno1")), will)[:4] == [
        "--if-exists del-port ovs0 eno1",
        "add-bond ovs0 ovs0-uplinks eno1 eno2",
        f"set Port ovs0-uplinks {MARKED} bond_mode=active-backup lacp=off",
        "set Port ovs0-uplinks other_config:bond-primary=eno1",
    ]


def test_the_port_of_others_is_taken_up_where_it_is_named_and_else_left_alone() -> None:
    there = found("", eno1=port("eno1", uplink=False), tap=port("tap", uplink=False))
    assert told(there, Switch("", ("eno1",)))[0] == f"set Port eno1 {MARKED}"
    assert not any("tap" in one for one in told(there, Switch("", ("eno2",))))


# ---- how it is read


def test_what_ovs_vsctl_lists_is_read() -> None:
    answers = [
        '{"data":[[["set",["netdev","system"]]]]}',
        '{"data":[["ovs0",["set",[["uuid","p1"],["uuid","p2"]]],["map",[["kvm-fleet","prod"]]]]]}',
        """{"data":[["ovs0",["set",[]],["set",[]],["set",[]],["uuid","p1"],["uuid","i1"],["set",[]],
        ["set",[]],["map",[]],["map",[]],false],
        ["bond",["set",[]],["set",[]],["set",[]],["uuid","p2"],["set",[["uuid","i2"],["uuid","i3"]]],
        "active-backup","off",["map",[["bond-primary","eno1"]]],["map",[["kvm-fleet","uplink"]]],
        false]]}""",
        """{"data":[[["uuid","i1"],"ovs0",["set",[]],"internal",["map",[]],["set",[]]],
        [["uuid","i2"],"eno2",["set",[]],"",["map",[]],["set",[]]],
        [["uuid","i3"],"eno1",["set",[]],"",["map",[]],["set",[]]]]}""",
    ]
    assert open_vswitch.bridges_in(answers) == {
        "bridges": {"ovs0": {"owner": "prod", "mtu": 0, "ports": {"bond": PAIR}}},
        "datapaths": ["netdev", "system"],
        "tunnels": {},
        "patches": {},
    }


def test_what_ip_tells_is_read() -> None:
    addresses = [
        {"ifname": "lo", "link_type": "loopback", "addr_info": []},
        {
            "ifname": "eno1",
            "flags": ["BROADCAST", "UP"],
            "mtu": 1500,
            "max_mtu": 9000,
            "addr_info": [
                {"scope": "global", "local": "192.0.2.7", "prefixlen": 24},
                {"scope": "link", "local": "fe80::1", "prefixlen": 64},
            ],
        },
        {"ifname": "br0", "master": "x", "linkinfo": {"info_kind": "bridge"}},
        {
            "ifname": "one.7",
            "link": "one",
            "max_mtu": 9000,
            "linkinfo": {"info_kind": "vlan", "info_data": {"id": 7}},
        },
        {"ifname": "one", "link": "two", "max_mtu": 9000, "linkinfo": {"info_kind": "veth"}},
    ]
    routes = [{"dev": "br0", "gateway": "192.0.2.1"}, {"nexthops": [{"dev": "lo"}]}]
    no = {"gateways": [], "vlan": 0, "mtu": 0}
    assert links.links_in(addresses, routes) == {
        "lo": link(kind="loopback", max_mtu=0, default=True, up=False, **no),
        "eno1": link(addresses=["192.0.2.7/24"], **{**no, "mtu": 1500}),
        "br0": link(
            master="x",
            kind="bridge",
            max_mtu=0,
            default=True,
            up=False,
            gateways=["192.0.2.1"],
            vlan=0,
            mtu=0,
        ),
        "one.7": link(kind="vlan", below="one", up=False, gateways=[], vlan=7, mtu=0),
        "one": link(kind="veth", up=False, **no),
    }
