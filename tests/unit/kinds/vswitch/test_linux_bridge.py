"""A bridge of Linux beneath a vswitch: what is planned, refused, told to ip and to networkd."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import Plan
from ansible_collections.kvm.fleet.plugins.module_utils.engine.world import World
from ansible_collections.kvm.fleet.plugins.module_utils.host import (
    linux_bridges,
    linux_state,
    switch_files,
)
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.kind import KIND
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.steps import steps_of
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.switch import (
    links_unit,
    linux_commands,
    linux_files,
    linux_names,
    linux_seen,
    seen,
)
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.switch.seen import Switch
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.tree import derived_mac
from support.vswitches import (
    ALL_VLANS,
    linux_host,
    on_linux,
    planned_in,
    refused_in,
    rows,
    world_here,
)
from support.vswitches import (
    linux_link as one,
)

NEW = {"type": "linux_bridge", "bridge": "br9"}
MAC = derived_mac("prod")


def link(**said: Any) -> dict[str, Any]:
    nothing = {"master": "", "kind": "", "below": "", "addresses": [], "max_mtu": 9000}
    return {**nothing, "default": False, "up": True, **said}


LINKS = {
    **{f"eno{number}": link() for number in range(1, 5)},
    "small": link(max_mtu=1500),
    "used": link(addresses=["192.0.2.7/24"], default=True),
    "slave": link(master="bond0"),
}


def host(stored: Switch | None = None, keeper: str = "networkd", **links: Any) -> dict[str, Any]:
    return linux_host(stored, links, keeper)


NOTHING = host()
ONE = Switch("prod", ("eno1",), backend="networkd")
PAIR = Switch("prod", ("eno1", "eno2"), "active_backup", "eno1", backend="networkd")
RUNS_ONE = host(ONE, br9=one("bridge"), eno1=one(master="br9"))
OF_ONE = RUNS_ONE["files"]
NETWORKD = OF_ONE["networkd"]
OF_PAIR = {
    "br9": one("bridge"),
    "eno1": one(master="br9-up"),
    "eno2": one(master="br9-up"),
}
BOND = one("bond", "br9", mode="active-backup", primary="eno1")
RUNS_PAIR = host(PAIR, **OF_PAIR, **{"br9-up": BOND})


def world_of(said: dict[str, Any], there: bool = True, links: Any = None, **of_host: Any) -> World:
    haves = {"prod": on_linux(said)} if there else {}
    of_host["vlan_hook"] = {"installed": "2f3c", "called": True}
    return world_here(haves, {**LINKS, **(links or {})}, linux_bridges=said, **of_host)


def planned(said: dict[str, Any], world: World | None = None, **options: Any) -> Plan:
    return planned_in(world or world_of(said, "type" not in options), **options)


# ---- what is planned


def test_who_keeps_the_network_is_asked_where_that_matters() -> None:
    """Programs would be called for it in each run."""
    world = world_of(RUNS_ONE)
    assert not planned(RUNS_ONE, world, uplinks={"nics": ["eno1"]}).changes
    asked = {fact for fact, *_of in world.facts.answers()}
    assert {"linux_bridges", "switch_files"} <= asked
    assert not {"network_keeper", "network_manager"} & asked


def test_a_bridge_that_is_not_there_is_made_with_its_uplinks() -> None:
    plan = planned(NOTHING, **NEW, uplinks={"nics": ["eno2", "eno1"], "teaming": "lacp"}, mtu=9000)
    told = rows(plan)
    assert told["switch"] == (None, "bridge br9 of Linux")
    assert told["uplinks.nics"] == ([], ["eno1", "eno2"])
    assert told["uplinks.teaming"] == ("", "lacp")
    assert told["mtu"] == (0, 9000)
    assert told["backend"] == ("", "networkd")
    assert steps_of(plan) == ["define", "autostart", "wire", "start"]
    assert not plan.warnings
    text = xmltree.serialise(plan.after.definition)
    assert 'switch="linux_bridge"' in text and "mtu" not in text


def test_a_bridge_has_a_name_where_none_is_said() -> None:
    assert rows(planned(NOTHING, type="linux_bridge"))["switch"][1] == "bridge vs-prod of Linux"


def test_what_is_as_declared_is_not_changed() -> None:
    for said in (RUNS_ONE, RUNS_PAIR):
        told = KIND.result(world_of(said).will_be("vswitch", "prod"))
        options = {name: told[name] for name in ("type", "bridge", "uplinks", "mtu", "backend")}
        assert not planned(said, world_of(said), **options).changed


def test_what_is_omitted_stays_as_it_is_stored_whatever_runs() -> None:
    """As after a start of a host whose networkd was off."""
    plan = planned(host(PAIR), world_of(host(PAIR)), type="linux_bridge")
    [(before, after)] = rows(plan).values()
    assert before["br9"] == "not there" and after["eno1"] == "on br9-up"
    assert seen.of_facts(plan.after.facts) == PAIR


@pytest.mark.parametrize(
    ("said", "field"),
    [
        (
            host(ONE, br9=one("bridge", filtering=False), eno1=one(master="br9")),
            "br9 VLAN filtering",
        ),
        (host(ONE, br9=one("bridge"), eno1=one(master="br9", up=False)), "eno1"),
        ({**RUNS_ONE, "vlans": {"eno1": [[1, 1, "pvid untagged"]]}}, "eno1 VLANs"),
        (
            {
                **RUNS_ONE,
                "files": {**OF_ONE, "networkd": {**NETWORKD, "05-kvm-fleet-br9+x.network": ""}},
            },
            "05-kvm-fleet-br9+x.network",
        ),
        (host(PAIR, **OF_PAIR, **{"br9-up": {**BOND, "mode": "802.3ad"}}), "br9-up mode"),
        (host(PAIR, **OF_PAIR, **{"br9-up": {**BOND, "primary": ""}}), "br9-up primary"),
        (host(PAIR, **OF_PAIR, **{"br9-up": BOND, "eno3": one(master="br9-up")}), "eno3"),
        (
            host(ONE, br9=one("bridge"), eno1=one(master="br9"), **{"br9-up": BOND}),
            "br9-up",
        ),
    ],
)
def test_what_runs_otherwise_is_set_back(said: dict[str, Any], field: str) -> None:
    plan = planned(said, uplinks={})
    assert not plan.changed, "nobody asked"
    plan = planned(said, world_of(said), type="linux_bridge")
    [(before, _after)] = rows(plan).values()
    assert list(before) == [field]
    assert steps_of(plan) == ["wire"]


def test_an_uplink_comes_while_the_others_go_on() -> None:
    [change] = planned(RUNS_PAIR, uplinks={"nics": ["eno1", "eno2", "eno3"]}).changes
    assert change.note == "the other uplinks go on meanwhile"
    [change, _teaming] = planned(RUNS_ONE, uplinks={"nics": ["eno1", "eno2"]}).changes
    assert "pauses for a moment" in change.note


SOME = replace(PAIR, vlans=("10", "20-29"))
TWENTIES = [[1, 1, "pvid untagged"], [10, 10, ""], [20, 29, ""]]
RUNS_SOME = {
    **host(SOME, **OF_PAIR, **{"br9-up": BOND}),
    "vlans": {"br9-up": TWENTIES},
}


def test_uplinks_carry_the_vlans_that_are_declared() -> None:
    uplinks = {"nics": ["eno1", "eno2"], "primary": "eno1", "vlans": [10, "20-28", 29]}
    plan = planned(NOTHING, **NEW, uplinks=uplinks)
    assert rows(plan)["uplinks.vlans"] == ([], ["10", "20-29"])
    assert seen.of_facts(plan.after.facts) == SOME
    told = KIND.result(world_of(RUNS_SOME).will_be("vswitch", "prod"))
    assert told["uplinks"]["vlans"] == ["10", "20-29"]
    assert not planned(RUNS_SOME, uplinks=told["uplinks"]).changed
    assert not planned(RUNS_SOME, world_of(RUNS_SOME), type="linux_bridge").changed
    [change] = planned(RUNS_SOME, uplinks={"vlans": []}).changes
    assert (change.before, change.after) == (["10", "20-29"], [])
    assert change.note == "all leave the host, of no VM that runs"
    [change] = planned(RUNS_PAIR, uplinks={"vlans": [10]}).changes
    assert change.note == "frames of other VLANs do not leave the host, of no VM that runs"


def test_uplinks_that_carry_other_vlans_than_declared_are_set_back() -> None:
    said = {**RUNS_SOME, "vlans": {"br9-up": ALL_VLANS}}
    plan = planned(said, world_of(said), type="linux_bridge")
    assert rows(plan) == {
        "links": ({"br9-up VLANs": "1-4094"}, {"br9-up VLANs": "1,10,20-29"}),
    }


def test_a_vlan_that_stays_inside_the_host_is_told() -> None:
    groups = [
        {"name": "web", "vlan": 10},
        {"name": "db", "vlan": 30},
        {"name": "carrier", "trunk": ["5-6", 20], "native_vlan": 1},
    ]
    ports = [{"name": "mgmt", "vlan": 40}]
    plan = planned(RUNS_SOME, port_groups=groups, host_ports=ports)
    assert list(plan.warnings) == [
        "port group db is in VLAN 30, which uplinks.vlans leaves inside the host",
        "port group carrier is in VLAN 5-6, which uplinks.vlans leaves inside the host",
        "host port mgmt is in VLAN 40, which uplinks.vlans leaves inside the host",
    ]
    assert not planned(RUNS_PAIR, port_groups=groups).warnings


def test_a_switch_of_ours_goes_with_its_vswitch() -> None:
    plan = planned(RUNS_PAIR, state="absent")
    assert rows(plan)["switch"] == ("bridge br9 of Linux", "absent")
    assert steps_of(plan) == ["stop", "unwire", "undefine"]


def test_a_switch_with_others_on_it_stays() -> None:
    said = {**RUNS_PAIR, "links": {**RUNS_PAIR["links"], "tap9": one("tun", "br9")}}
    plan = planned(said, state="absent")
    assert rows(plan)["switch"][1] == "kept"
    assert steps_of(plan) == ["stop", "undefine"]
    reached = {"br9": link(addresses=["192.0.2.7/24"])}
    plan = planned(RUNS_PAIR, world_of(RUNS_PAIR, links=reached), state="absent")
    assert rows(plan)["switch"][1] == "kept"


OTHERS = host(br9=one("bridge"), eth9=one(master="br9"))


def test_a_bridge_of_others_is_used_as_it_is_and_never_changed() -> None:
    plan = planned(OTHERS, **NEW)
    assert "switch" not in rows(plan) and "wire" not in steps_of(plan)
    assert "switch" not in rows(planned(OTHERS, state="absent"))
    assert "the bridge br9 was made by others" in refused(OTHERS, **NEW, mtu=9000)


def test_where_nobody_keeps_it_a_declared_backend_says_so() -> None:
    said = host(keeper="")
    plan = planned(said, **NEW, backend="networkd")
    assert "systemd-networkd does not run" in plan.warnings[0]
    assert rows(plan)["backend"] == ("", "networkd")


# ---- what is refused


def refused(said: dict[str, Any], **options: Any) -> str:
    return refused_in(world_of(said, "type" not in options), **options)


@pytest.mark.parametrize(
    ("said", "options", "message"),
    [
        (host(keeper="ifupdown"), {}, "ifupdown keeps the host's network, and by it none is made"),
        (host(keeper=""), {"mtu": 1400}, "nobody keeps the host's network; start systemd-networkd"),
        (
            {**NOTHING, "has_networkd": False},
            {"backend": "networkd"},
            "the host has no systemd-networkd",
        ),
        (NOTHING, {"backend": "ifupdown"}, "backend: 'ifupdown' is none of networkd"),
        (NOTHING, {"uplinks": {"nics": ["eno9"]}}, "nics: the host has no interface eno9"),
        (NOTHING, {"uplinks": {"nics": ["slave"]}}, "nics: slave is on bond0"),
        (NOTHING, {"uplinks": {"nics": ["used"]}}, "used has the address 192.0.2.7/24 and the def"),
        (
            host(br8=one("bridge"), eno1=one(master="br8")),
            {"uplinks": {"nics": ["eno1"]}},
            "nics: eno1 is on the bridge br8; take it from there first",
        ),
        (NOTHING, {"uplinks": {"nics": ["small"]}, "mtu": 9000}, "9000 is more than small can"),
        (
            NOTHING,
            {"uplinks": {"nics": ["eno1", "eno2"], "teaming": "balance_slb"}},
            "teaming: balance_slb is none of a bridge of Linux, which has active_backup, lacp, bal",
        ),
        (
            NOTHING,
            {"uplinks": {"vlans": [10]}},
            "vlans: are what uplinks carry, and there are none",
        ),
        (NOTHING, {"type": "bridge", "uplinks": {"vlans": [10]}}, "uplinks: are not possible"),
        (NOTHING, {"uplinks": {"nics": ["eno1"], "vlans": [4095]}}, "vlans: 4095 is not within 1"),
        (NOTHING, {"type": "bridge", "backend": "networkd"}, "backend: means nothing for a vswi"),
        (
            NOTHING,
            {"type": "openvswitch", "backend": "networkd"},
            "backend: keeps the addresses of host",
        ),
    ],
)
def test_what_cannot_be_is_refused(
    said: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    assert message in refused(said, **{**NEW, **options})


# ---- what iproute2 is told


def told(said: dict[str, Any], will: Switch, was: Switch | None = None) -> list[str]:
    was = was or Switch()
    commands = [
        *linux_commands.releasing(said["links"], "br9", was, will),
        *linux_commands.making(
            said["links"], "br9", will, MAC, bool(was.mtu), said.get("vlans", {})
        ),
    ]
    return [" ".join(one).replace("link set dev ", "") for one in commands]


def test_a_bridge_is_made_with_one_uplink() -> None:
    assert told(NOTHING, ONE) == [
        f"ip link add name br9 address {MAC} type bridge vlan_filtering 1 vlan_default_pvid 1",
        "ip eno1 down",
        "ip eno1 master br9",
        "bridge vlan add dev eno1 vid 1 pvid untagged",
        "bridge vlan add dev eno1 vid 2-4094",
        "ip eno1 up",
        "ip br9 up",
    ]


def test_a_second_uplink_makes_a_bond_of_both() -> None:
    assert told(RUNS_ONE, PAIR, ONE)[:8] == [
        "ip eno1 nomaster",
        "ip link add name br9-up type bond mode active-backup miimon 100",
        "ip eno1 down",
        "ip eno1 master br9-up",
        "ip eno2 down",
        "ip eno2 master br9-up",
        "ip br9-up master br9",
        "ip br9-up type bond primary eno1",
    ]


def test_another_mode_makes_the_bond_anew_and_another_member_does_not() -> None:
    lacp = Switch("prod", ("eno1", "eno2"), "lacp")
    commands = told(RUNS_PAIR, lacp, PAIR)
    assert commands[0] == "ip link delete dev br9-up"
    assert commands[1:3] == [
        "ip link delete dev br9-up",  # where networkd has not made another meanwhile
        "ip link add name br9-up type bond mode 802.3ad miimon 100 xmit_hash_policy layer2+3",
    ]
    assert "ip eno1 master br9-up" in commands
    other = Switch("prod", ("eno2", "eno3"), "active_backup")
    commands = told(RUNS_PAIR, other, PAIR)
    assert commands[:3] == ["ip eno1 nomaster", "ip eno3 down", "ip eno3 master br9-up"]
    assert "sh -c echo > /sys/class/net/br9-up/bonding/primary" in commands
    assert not any("delete" in one for one in commands)


def test_an_mtu_is_set_from_below_and_goes_back_to_the_usual() -> None:
    large = Switch("prod", ("eno1",), mtu=9000)
    assert [c for c in told(RUNS_ONE, large, ONE) if "mtu" in c] == [
        "ip eno1 mtu 9000",
        "ip br9 mtu 9000",
    ]
    assert [c for c in told(RUNS_ONE, ONE, large) if "mtu" in c][-1] == "ip br9 mtu 1500"
    assert [c for c in told(RUNS_ONE, ONE, ONE) if "mtu" in c] == []


def test_vlans_that_go_make_room_for_those_that_come() -> None:
    will = replace(PAIR, vlans=("1", "10", "30"))
    assert [c for c in told(RUNS_SOME, will, SOME) if "vlan" in c] == [
        "bridge vlan del dev br9-up vid 20-29",
        "bridge vlan add dev br9-up vid 1 pvid untagged",
        "bridge vlan add dev br9-up vid 10",
        "bridge vlan add dev br9-up vid 30",
    ]
    lacp = replace(will, teaming="lacp", primary="")
    assert not any("vlan del" in c for c in told(RUNS_SOME, lacp, SOME)), "of a bond that is made"


def test_a_bond_of_others_is_not_touched() -> None:
    links = {
        **RUNS_ONE["links"],
        "bond0": one("bond", "br9"),
        "eth9": one(master="bond0"),
    }
    assert not any("bond0" in c or "eth9" in c for c in told({"links": links}, ONE, ONE))
    assert [*linux_commands.removing(links, "br9")] == [["ip", "link", "delete", "dev", "br9"]]


def test_a_bond_has_a_name_of_linux() -> None:
    assert linux_names.bond_of("vs-prod") == "vs-prod-up"
    assert len(linux_names.bond_of("fifteen-letters")) == 15


# ---- what networkd reads


def test_the_files_say_what_was_declared() -> None:
    will = Switch("prod", ("eno1", "eno2"), "active_backup", "eno2", 9000, "networkd")
    files = linux_files.files_of("br9", will, MAC)
    assert list(files)[-1] == "05-kvm-fleet-br9.netdev"
    assert linux_files.stored_in(files) == {"br9": will}
    assert linux_files.of_bridge({**files, "05-kvm-fleet-br99.network": ""}, "br9") == files
    assert "VLANFiltering=yes\nDefaultPVID=1" in files["05-kvm-fleet-br9.netdev"]
    assert "Bond=br9-up\nPrimarySlave=yes" in files["05-kvm-fleet-br9+eno2.network"]
    assert "Bridge=br9" in files["05-kvm-fleet-br9+uplinks.network"]
    assert "VLAN=2-4094" in files["05-kvm-fleet-br9+uplinks.network"]
    assert "Mode=active-backup" in files["05-kvm-fleet-br9+uplinks.netdev"]
    assert all("MTUBytes=9000" in text for name, text in files.items() if ".network" in name)


def test_networkd_is_told_the_vlans_of_uplinks() -> None:
    files = linux_files.files_of("br9", SOME, MAC)
    assert linux_files.stored_in(files) == {"br9": SOME}
    text = files["05-kvm-fleet-br9+uplinks.network"]
    assert text.endswith("[BridgeVLAN]\nVLAN=10\n\n[BridgeVLAN]\nVLAN=20-29\n")
    assert "2-4094" not in text and "PVID=1\nEgressUntagged=1\n" in text
    assert "vlans" not in linux_files.files_of("br9", PAIR, MAC)["05-kvm-fleet-br9.netdev"]


def test_a_note_that_somebody_spoiled_is_none() -> None:
    files = linux_files.files_of("br9", ONE, MAC)
    name = "05-kvm-fleet-br9.netdev"
    for text in ("# kvm-fleet: {", '# kvm-fleet: {"owner": 1, "x": 2}', "# kvm-fleet: []"):
        assert linux_files.stored_in({**files, name: text}) == {}


def test_files_are_written_whole_and_those_of_former_uplinks_go(tmp_path: Any) -> None:
    folder = tmp_path / "network"
    will = linux_files.files_of("br9", PAIR, MAC)
    switch_files.write_files(will, {}, folder)
    (folder / "10-own.network").write_text("theirs")
    assert switch_files.read_files(folder) == will
    are, will = will, linux_files.files_of("br9", ONE, MAC)
    switch_files.write_files(will, are, folder)
    assert switch_files.read_files(folder) == will
    switch_files.write_files({}, will, folder)
    assert [path.name for path in folder.iterdir()] == ["10-own.network"]


def test_a_start_runs_the_unit_of_a_switch(tmp_path: Any) -> None:
    will = links_unit.files_of("br9", ONE, True)
    switch_files.write_units(will, {}, tmp_path)
    assert switch_files.read_units(tmp_path) == will
    [name] = will
    (tmp_path / "multi-user.target.wants" / name).unlink()
    assert switch_files.read_units(tmp_path) == {name: ""}  # as somebody disabled it
    switch_files.write_units(will, {name: ""}, tmp_path)
    assert switch_files.read_units(tmp_path) == will
    switch_files.write_units({}, will, tmp_path)
    assert [path.name for path in tmp_path.rglob("*")] == ["multi-user.target.wants"]


@pytest.mark.parametrize("starts", [True, False])
def test_a_host_without_systemd_has_no_unit(starts: bool) -> None:
    """Nothing would run it."""
    way_in = {"address": "", "systemd": starts, "unconfirmed": ""}
    units = links_unit.files_of("br9", ONE, True)
    for has in ({}, units):
        said = {**RUNS_ONE, "files": {**OF_ONE, "units": has}}
        world = world_of(said, way_in=way_in)
        told = rows(planned(said, world, uplinks={"nics": ["eno1"]}))
        [name] = units
        was, will = ("not there", "as declared") if starts else ("otherwise", "not there")
        assert told == ({} if bool(has) == starts else {"links": ({name: was}, {name: will})})


# ---- how it is read


def test_what_ip_and_bridge_tell_is_read() -> None:
    bridge = {"info_kind": "bridge", "info_data": {"vlan_filtering": 1}}
    bond = {"info_kind": "bond", "info_data": {"mode": "active-backup", "primary": "eno1"}}
    told = [
        {"ifname": "lo"},
        {"ifname": "br9", "flags": ["UP"], "mtu": 1500, "linkinfo": bridge},
        {"ifname": "br9-up", "flags": ["UP"], "mtu": 1500, "master": "br9", "linkinfo": bond},
        {"ifname": "eno1", "flags": ["UP"], "mtu": 1500, "master": "br9-up"},
    ]
    assert linux_bridges.links_in(told) == {
        "br9": one("bridge"),
        "br9-up": BOND,
        "eno1": one(master="br9-up"),
    }
    vlans = [{"vlan": 1, "flags": ["PVID", "Egress Untagged"]}, {"vlan": 2, "vlanEnd": 4094}]
    assert linux_bridges.vlans_in([{"ifname": "eno1", "vlans": vlans}]) == {"eno1": ALL_VLANS}


def test_the_vlans_of_a_port_are_told_as_options() -> None:
    assert linux_seen.vlans_of(ALL_VLANS) == {"vlan": 0, "native_vlan": 1, "trunk": ["2-4094"]}
    access = linux_seen.vlans_of([[10, 10, "pvid untagged"]])
    assert access == {"vlan": 10, "native_vlan": 0, "trunk": []}


def test_links_and_who_carries_traffic_are_read() -> None:
    def slave(name: str, state: str, group: int = 0, *flags: str) -> dict[str, Any]:
        said = {"info_slave_data": {"state": state, "ad_aggregator_id": group}}
        return {"ifname": name, "flags": flags, "master": "bond", "linkinfo": said}

    backup = {"info_kind": "bond", "info_data": {"mode": "active-backup"}}
    rows = [
        {"ifname": "bond", "flags": ["LOWER_UP"], "linkinfo": backup},
        slave("eno1", "ACTIVE", 0, "LOWER_UP"),
        slave("eno2", "BACKUP", 0, "LOWER_UP"),
        {"ifname": "eno3", "flags": []},
    ]
    told = linux_state.state_in(rows)
    assert told["eno1"] == {"link": "up", "active": True}
    assert told["eno2"] == {"link": "up", "active": False}
    assert told["eno3"] == {"link": "down", "active": False}
    partner = {"aggregator": 2, "partner_mac": "52:54:00:50:00:01"}
    agreed = {"info_kind": "bond", "info_data": {"mode": "802.3ad", "ad_info": partner}}
    rows[:3] = [
        {"ifname": "bond", "flags": [], "linkinfo": agreed},
        slave("eno1", "ACTIVE", 1, "LOWER_UP"),
        slave("eno2", "ACTIVE", 2, "LOWER_UP"),
    ]
    told = linux_state.state_in(rows)
    assert (told["eno1"]["active"], told["eno2"]["active"]) == (False, True)
    assert (told["eno1"]["partner"], told["eno2"]["partner"]) == ("", "52:54:00:50:00:01")
    partner["partner_mac"] = "00:00:00:00:00:00"
    assert linux_state.state_in(rows)["eno2"]["partner"] == ""


def test_learned_addresses_are_read() -> None:
    rows = [
        {"mac": "52:54:00:50:00:10", "ifname": "vnet3", "vlan": 10, "updated": 4, "master": "br9",
         "state": ""},
        {"mac": "52:54:00:50:00:11", "ifname": "vnet3", "state": "permanent", "master": "br9"},
        {"mac": "33:33:00:00:00:01", "ifname": "vnet3", "flags": ["self"], "state": "permanent"},
    ]  # fmt: skip
    [told] = linux_state.addresses_in(rows, "br9")
    assert told == {"mac": "52:54:00:50:00:10", "vlan": 10, "port": "vnet3", "age_s": 4}


def test_bridges_on_the_same_wires_have_macs_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, macs = tmp_path / "machine-id", []
    monkeypatch.setattr(linux_bridges, "_MACHINE_ID", path)
    for machine in ("one", "other", "one"):
        path.write_text(f"{machine}\n")
        macs.append(derived_mac("prod", linux_bridges._host()))
    assert macs[0] == macs[2] != macs[1]
