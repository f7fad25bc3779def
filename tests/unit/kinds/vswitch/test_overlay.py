"""Overlays between hosts: what is planned, refused, and told to ovs-vsctl."""

from __future__ import annotations

import json
from dataclasses import replace
from subprocess import CompletedProcess
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import FleetError
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import Have, Plan, Wanted
from ansible_collections.kvm.fleet.plugins.module_utils.engine.world import World
from ansible_collections.kvm.fleet.plugins.module_utils.host import open_vswitch
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch import applier_switch
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.kind import KIND
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.steps import steps_of
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.switch import (
    commands,
    commands_back,
    overlay,
    seen,
)
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.switch.overlay import Overlay
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.switch.seen import Switch
from support.vswitches import on_switch, planned_in, refused_in, rows, world_here

NEW = {"type": "openvswitch", "bridge": "ovs0"}
PEERS = ("192.0.2.12", "192.0.2.13")
OVERLAY = Overlay("vxlan", 5000, PEERS, "", 4789)
OF_LOCAL = Overlay("geneve", 7, ("2001:db8::12",), "2001:db8::11", 6081)
SAID = {"id": 5000, "peers": list(PEERS)}
FIRST, SECOND = overlay.tunnels("ovs0", OVERLAY)


def link(**said: Any) -> dict[str, Any]:
    nothing = {"master": "", "kind": "", "below": "", "addresses": [], "max_mtu": 9000}
    return {**nothing, "mtu": 1500, "default": False, "up": True, **said}


LINKS = {
    "eno1": link(addresses=["192.0.2.11/24"], mtu=9000),
    "eno2": link(addresses=["2001:db8::11/64"], default=True),
    "eno3": link(),
}


def tunnel(to: str, of: Overlay = OVERLAY, **said: Any) -> dict[str, Any]:
    options = {"remote_ip": to, "key": str(of.id), "dst_port": str(of.port)}
    options |= {"local_ip": of.local} if of.local else {}
    return {
        **{"bridge": "ovs0", "peer": to, "type": of.type, "options": options, "protected": True},
        "error": "",
        **said,
    }


def found(of: Overlay | None = OVERLAY, owner: str = "prod", **ports: Any) -> dict[str, Any]:
    """What Open vSwitch says that has a bridge ovs0 with these tunnels."""
    bridge = {"owner": owner, "mtu": 0, "ports": ports}
    bridge |= {"overlay": of.note} if of else {}
    mine = {} if of is None else overlay.tunnels("ovs0", of)
    tunnels = {name: tunnel(peer, of or OVERLAY) for name, peer in mine.items()}
    said = {"error": "", "ports": {}, "bridges": {"ovs0": bridge}, "datapaths": ["system"]}
    return {**said, "tunnels": tunnels}


NOTHING = {**found(None), "bridges": {}}


def have_of(name: str, bridge: str, said: dict[str, Any]) -> Have:
    return on_switch("openvswitch", bridge, seen.of_bridge(said, bridge), name)


def world_of(said: dict[str, Any], there: bool = True, links: Any = None, **others: Any) -> World:
    haves = {"prod": have_of("prod", "ovs0", said)} if there else {}
    return world_here({**haves, **others}, {**LINKS, **(links or {})}, open_vswitch=said)


def planned(said: dict[str, Any], world: World | None = None, **options: Any) -> Plan:
    return planned_in(world or world_of(said, "type" not in options), **options)


def refused(said: dict[str, Any], world: World | None = None, **options: Any) -> str:
    return refused_in(world or world_of(said, "type" not in options), **options)


# ---- what is planned


def test_a_switch_is_made_with_an_overlay() -> None:
    plan = planned(NOTHING, **NEW, overlay={**SAID, "peers": [*reversed(PEERS)]})
    told = rows(plan)
    assert told["switch"] == (None, "bridge ovs0 of Open vSwitch")
    assert told["overlay.type"] == ("", "vxlan")
    assert told["overlay.id"] == (0, 5000)
    assert told["overlay.peers"] == ([], list(PEERS))
    assert told["overlay.port"] == (0, 4789)
    assert "overlay.local" not in told
    assert steps_of(plan) == ["define", "autostart", "wire", "start"]
    assert seen.of_facts(plan.after.facts) == Switch("prod", overlay=OVERLAY)


def test_what_is_as_declared_is_not_changed() -> None:
    for of in (OVERLAY, OF_LOCAL):
        told = KIND.result(world_of(found(of)).will_be("vswitch", "prod"))
        options = {name: told[name] for name in ("type", "bridge", "overlay", "mtu")}
        assert not planned(found(of), world_of(found(of)), **options).changed
    assert not planned(found(), overlay={"id": 5000}).changed


def test_a_port_that_nobody_chose_is_that_of_the_type() -> None:
    told = rows(planned(found(), overlay={"type": "geneve"}))
    assert told == {"overlay.type": ("vxlan", "geneve"), "overlay.port": (4789, 6081)}
    chosen = Overlay("vxlan", 5000, PEERS, "", 8472)
    assert rows(planned(found(chosen), overlay={"type": "geneve"})) == {
        "overlay.type": ("vxlan", "geneve")
    }


@pytest.mark.parametrize(
    ("options", "note"),
    [
        ({"peers": [*PEERS, "192.0.2.14"]}, ""),
        ({"peers": [PEERS[0]]}, "what is behind 192.0.2.13 is reached no more, for no VM that "),
        ({"id": 5001}, "other hosts are reached again once they have the same, for no VM that "),
        ({"local": "192.0.2.11"}, "what goes to other hosts pauses for a moment, for no VM that "),
        ({"peers": []}, "no other host is reached any more, for no VM that runs"),
    ],
)
def test_a_plan_says_for_whom_what_pauses(options: dict[str, Any], note: str) -> None:
    plan = planned(found(), overlay=options)
    [told] = [one.note for one in plan.changes if one.field == ("overlay", next(iter(options)))]
    assert told.startswith(note) and bool(told) == bool(note)
    assert steps_of(plan) == ["wire"]


def test_without_peers_there_is_none() -> None:
    plan = planned(found(), overlay={**SAID, "peers": []})
    assert seen.of_facts(plan.after.facts) == Switch("prod")
    assert not planned(found(None), overlay={**SAID, "peers": []}).changed


def test_what_somebody_changed_is_set_back() -> None:
    said = found()
    gone, others = tunnel("192.0.2.9"), tunnel("192.0.2.9", peer="")
    said["tunnels"] = {
        FIRST: tunnel(PEERS[0], options={"remote_ip": "192.0.2.99"}),
        "ov-gone": gone,
        "vx0": others,
    }
    plan = planned(said, overlay=SAID)
    [(before, after)] = rows(plan).values()
    will = "vxlan dst_port=4789 key=5000 remote_ip="
    assert before == {
        "tunnel to 192.0.2.9": "there",
        "tunnel to 192.0.2.12": "vxlan remote_ip=192.0.2.99",
        "tunnel to 192.0.2.13": "not there",
    }
    assert after["tunnel to 192.0.2.12"] == f"{will}192.0.2.12"
    assert after["tunnel to 192.0.2.9"] == "not there"
    assert not planned(said).changed, "nobody asked"
    loose = {**found(), "tunnels": {**said["tunnels"], FIRST: tunnel(PEERS[0], protected=False)}}
    [(before, _after)] = rows(planned(loose, overlay=SAID)).values()
    assert before["tunnel to 192.0.2.12"] == f"{will}192.0.2.12 unprotected"


@pytest.mark.parametrize(
    ("vlans", "peer", "was"),
    [
        ([7, [], ""], PEERS[0], "tag=7"),
        ([0, [1, 2], ""], PEERS[0], "trunks=1,2"),
        ([3, [], "access"], PEERS[0], "tag=3 vlan_mode=access"),
        ([0, [], ""], "192.0.2.77", "marked 192.0.2.77"),
        ([0, [], ""], "", "marked no"),
    ],
)
def test_vlans_and_the_mark_of_a_tunnel_are_set_back(vlans: Any, peer: str, was: str) -> None:
    """With a VLAN of its own a tunnel lets no other through."""
    said = found()
    said["ports"] = {FIRST: vlans, SECOND: [0, [], ""]}
    said["tunnels"][FIRST]["peer"] = peer
    [(before, after)] = rows(planned(said, overlay=SAID)).values()
    will = "vxlan dst_port=4789 key=5000 remote_ip=192.0.2.12"
    assert before == {"tunnel to 192.0.2.12": f"{will} {was}"}
    assert after == {"tunnel to 192.0.2.12": will}


def test_a_tunnel_that_does_not_work_is_told() -> None:
    said = found()
    said["tunnels"][SECOND]["error"] = "could not add network device"
    plan = planned(said, overlay=SAID)
    assert not plan.changed
    assert [*plan.warnings] == [
        "the tunnel to 192.0.2.13 does not work, says Open vSwitch: could not add network device"
    ]
    assert not planned(found(), overlay=SAID).warnings
    assert not planned(said).warnings, "nobody asked"


def test_a_run_says_which_tunnels_open_vswitch_cannot_make(monkeypatch: Any) -> None:
    broken = found()
    broken["tunnels"][FIRST]["error"] = "File exists"
    done = CompletedProcess([], 0, "", "ovs-vsctl: Error detected while setting up 'ov-x': no\n")
    monkeypatch.setattr(open_vswitch, "_called", lambda _arguments: done)
    with pytest.raises(FleetError, match=r"is stored as declared, but does not work: .*'ov-x': no"):
        open_vswitch.transact([["add-port", "ovs0", "ov-x"]], "vswitch/prod")
    monkeypatch.setattr(applier_switch, "read_open_vswitch", lambda: broken)
    with pytest.raises(FleetError, match=r"do not work: to 192\.0\.2\.12: File exists"):
        applier_switch.refuse_broken(found(), "ovs0", OVERLAY, "vswitch/prod")
    applier_switch.refuse_broken(broken, "ovs0", OVERLAY, "vswitch/prod")


def test_a_tunnel_of_others_stays_and_is_told() -> None:
    said = {**found(None), "tunnels": {"vx0": tunnel("192.0.2.9", peer="")}}
    plan = planned(said, overlay=SAID)
    assert any("vx0 on ovs0 is of others, and stays" in one for one in plan.warnings)
    assert not any("vx0" in " ".join(one) for one in told_of(said, OVERLAY))


def test_guests_are_told_what_passes() -> None:
    assert not planned(NOTHING, **NEW, overlay=SAID).warnings
    peers = {"id": 7, "peers": ["2001:db8::12"]}
    [warning] = planned(NOTHING, **NEW, overlay=peers).warnings
    assert "give their NICs mtu: 1426 (eno2, on the way to 2001:db8::12, has 1500" in warning
    by_default = {"id": 7, "peers": ["198.51.100.7"]}
    [warning] = planned(NOTHING, **NEW, overlay=by_default).warnings
    assert "mtu: 1446 (eno2, on the way to 198.51.100.7" in warning
    assert not planned(NOTHING, **NEW, overlay=by_default, mtu=1446).warnings


def test_a_switch_goes_with_its_tunnels() -> None:
    plan = planned(found(), state="absent")
    assert rows(plan)["switch"] == ("bridge ovs0 of Open vSwitch", "absent")
    [gone] = [one for one in plan.changes if one.field == ("switch",)]
    assert "its tunnels go: 192.0.2.12, 192.0.2.13" in gone.note


def test_tunnels_go_from_a_bridge_of_others_which_stays() -> None:
    plan = planned(found(owner=""), state="absent")
    assert rows(plan)["overlay"] == ("tunnels to 192.0.2.12, 192.0.2.13", "absent")
    assert "switch" not in rows(plan)
    assert steps_of(plan) == ["stop", "unwire", "undefine"]
    assert "overlay" not in rows(planned(found(None, ""), state="absent"))
    other = have_of("other", "ovs0", found(owner=""))
    plan = planned(found(owner=""), world_of(found(owner=""), other=other), state="absent")
    [kept] = [one for one in plan.changes if one.field == ("overlay",)]
    assert kept.note == "others are on the bridge: vswitch/other"
    assert "unwire" not in steps_of(plan)


def test_tunnels_that_stay_behind_on_a_bridge_of_others_are_told() -> None:
    told = " ".join(planned(found(owner=""), bridge="ovs1").warnings)
    assert "its tunnels to 192.0.2.12, 192.0.2.13 stay on ovs0; declare overlay.peers: []" in told
    told = " ".join(planned(found(), bridge="ovs1").warnings)
    assert "the bridge ovs0, which was made for it, stays: ovs-vsctl del-br ovs0 removes it" in told


def test_of_a_bridge_of_others_the_tunnels_alone_are_removed(monkeypatch: Any) -> None:
    plan, given = planned(found(owner=""), state="absent"), []
    machine = SimpleNamespace(open_vswitch=found(owner=""))
    monkeypatch.setattr(applier_switch, "machine_of", lambda _host: machine)
    monkeypatch.setattr(applier_switch, "transact", lambda told, _of: given.extend(told))
    host: Any = None
    applier_switch.unwire(host, plan)
    assert given == told_of(found(), None)


def test_tunnels_that_are_there_already_do_not_go_where_the_note_is_lost() -> None:
    said = found(owner="")
    del said["bridges"]["ovs0"]["overlay"]
    told = rows(planned(said, overlay=SAID))
    assert told["overlay.peers"] == ([], list(PEERS))
    assert "links" not in told
    assert rows(planned(said, state="absent"))["overlay"][1] == "absent"


# ---- what is refused


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"overlay": {**SAID, "id": 0}}, "overlay.id: 0 is less than 1"),
        ({"overlay": {**SAID, "id": 16777216}}, "overlay.id: 16777216 is more than 16777215"),
        ({"overlay": {"peers": list(PEERS)}}, "overlay.id: is missing"),
        ({"overlay": {"id": 5}}, "overlay.peers: are missing"),
        ({"overlay": {**SAID, "peers": ["host2"]}}, "'host2' does not appear to be an IPv4 or"),
        ({"overlay": {**SAID, "peers": ["239.1.1.1"]}}, "239.1.1.1 is that of a group"),
        ({"overlay": {**SAID, "peers": ["127.0.0.1"]}}, "127.0.0.1 is that of a loopback"),
        ({"overlay": {**SAID, "peers": ["fe80::1"]}}, "fe80::1 is of a link alone"),
        ({"overlay": {**SAID, "peers": ["0.0.0.0"]}}, "0.0.0.0 is no address"),
        (
            {"overlay": {**SAID, "peers": ["::ffff:192.0.2.12"]}},
            "peers: ::ffff:192.0.2.12 is 192.0.2.12 in the form of IPv6; declare that",
        ),
        ({"overlay": {**SAID, "peers": ["255.255.255.255"]}}, "is that of all hosts, and not the"),
        (
            {"overlay": {**SAID, "peers": ["192.0.2.255"]}},
            "peers: 192.0.2.255 is that of all hosts in 192.0.2.0/24, the network of eno1",
        ),
        ({"overlay": {**SAID, "peers": [PEERS[0]] * 2}}, "peers: has 192.0.2.12 twice"),
        (
            {"overlay": {**SAID, "peers": ["2001:db8::2", "2001:db8:0::2"]}},
            "peers: has 2001:db8::2 twice",
        ),
        (
            {"overlay": {**SAID, "peers": ["192.0.2.12", "192.0.2.11"]}},
            "peers: 192.0.2.11 is this host's own, on eno1; leave it out here",
        ),
        (
            {"overlay": {**SAID, "local": "192.0.2.12"}},
            "peers: 192.0.2.12 is local, this host's own",
        ),
        (
            {"overlay": {**SAID, "peers": ["192.0.2.12", "2001:db8::12"]}},
            "peers: are of IPv4 and of IPv6",
        ),
        (
            {"overlay": {**SAID, "local": "2001:db8::11"}},
            "peers: and local 2001:db8::11 are of IPv4 and of IPv6",
        ),
        ({"overlay": {**SAID, "local": "192.0.2.99"}}, "local: the host has no address 192.0.2.99"),
        ({"overlay": {**SAID, "port": 0}}, "overlay.port: 0 is less than 1"),
        ({"overlay": {**SAID, "type": "gre"}}, "overlay.type: 'gre' is none of vxlan, geneve"),
        (
            {"overlay": SAID, "uplinks": {"nics": ["eno3"]}},
            "overlay: is not possible beside uplinks (eno3): frames would go in circles",
        ),
        (
            {"overlay": SAID, "mtu": 9000},
            "mtu: 9000 does not fit into the tunnels, 8946 does: eno1, on the way to 192.0.2.12,",
        ),
        (
            {"overlay": SAID, "host_ports": [{"name": "mgmt", "addresses": ["192.0.2.1/24"]}]},
            "peers: 192.0.2.12, 192.0.2.13 would be reached by host port mgmt, which is on this",
        ),
        (
            {"overlay": SAID, "type": "isolated", "bridge": None},
            "overlay: is not possible for a vswitch of type isolated; one of type openvswitch",
        ),
    ],
)
def test_what_cannot_be_is_refused(options: dict[str, Any], message: str) -> None:
    assert message in refused(NOTHING, **{**NEW, **options})


def test_what_is_said_of_none_is_refused_on_what_is_there_too() -> None:
    assert "overlay.peers: are missing" in refused(found(None), overlay={"id": 5})


def test_an_address_that_comes_with_a_host_port_of_another_switch_is_known() -> None:
    world = world_of(NOTHING, there=False)
    port = {"name": "tunnels", "addresses": ["192.0.2.99/24"]}
    facts = {**Switch("wires").facts, "host_ports": [port]}
    plan = planned(NOTHING, world, **NEW, name="wires")
    world.add(replace(plan, after=replace(plan.after, facts={**plan.after.facts, **facts})))
    tunnels = {"type": "openvswitch", "overlay": {**SAID, "local": "192.0.2.99"}}
    assert planned(NOTHING, world, **tunnels).changed


def test_no_two_overlays_of_a_host_have_one_number() -> None:
    other = have_of("other", "ovs9", NOTHING)
    other.facts["overlay"] = OVERLAY.said
    other.facts.update(Switch("other", overlay=OVERLAY).facts)
    world = world_of(NOTHING, there=False, other=other)
    assert "id: 5000 is that of vswitch/other" in refused(NOTHING, world, **NEW, overlay=SAID)
    assert planned(NOTHING, world, **NEW, overlay={**SAID, "id": 5001}).changed
    assert planned(NOTHING, world, **NEW, overlay={**SAID, "port": 4790}).changed
    of_geneve = {**SAID, "type": "geneve", "port": 4789}
    told = refused(NOTHING, world, **NEW, overlay=of_geneve)
    assert "port: 4789 is that of vswitch/other, which is of vxlan; declare another" in told


def test_tunnels_of_another_vswitch_are_not_those_of_others() -> None:
    said = found(None)
    [name, _second] = overlay.tunnels("ovs9", OVERLAY)
    said["tunnels"] = {name: tunnel(PEERS[0], bridge="ovs9")}
    other = have_of("other", "ovs9", NOTHING)
    other.facts.update(Switch("other", overlay=OVERLAY).facts)
    told = refused(said, world_of(said, other=other), overlay=SAID)
    assert "id: 5000 is that of vswitch/other" in told
    assert "others made" not in told
    left = refused(said, overlay=SAID)
    assert f"by {name} of ovs9, which others made" in left, "no vswitch has it any more"


@pytest.mark.parametrize(
    ("becomes", "says"),
    [
        (9, "vswitch/other is to have 9 in turn, and nobody can change both at once: give one"),
        (7, "vswitch/other gives it away later in this run; declare it before this one"),
    ],
)
def test_a_number_that_another_gives_away_in_the_same_run_is_had_in_turn(
    becomes: int, says: str
) -> None:
    other = have_of("other", "ovs9", NOTHING)
    other.facts.update(Switch("other", overlay=OVERLAY).facts)
    world = world_of(found(replace(OVERLAY, id=9)), other=other)
    assert "in turn" not in refused({}, world, overlay={"id": 5000})
    world.declared = {
        ("vswitch", "other"): Wanted("vswitch", "other", "active", {overlay.ID: becomes})
    }
    assert says in refused({}, world, overlay={"id": 5000})


def test_a_port_of_the_name_of_a_tunnel_on_another_bridge_is_in_the_way() -> None:
    said = found()
    del said["tunnels"][FIRST]
    port = {"uplink": False, "nics": {FIRST: 0}, "mode": "", "lacp": "", "primary": ""}
    said["bridges"]["theirs"] = {"owner": "", "mtu": 0, "ports": {FIRST: port}}
    told = refused(said, overlay=SAID)
    assert f"the port {FIRST} to 192.0.2.12 is on theirs, where others put it; remove" in told
    of_others = {**found(), "tunnels": {FIRST: tunnel(PEERS[0], bridge="theirs")}}
    assert f"the port {FIRST} to 192.0.2.12 is on theirs" in refused(of_others, overlay=SAID)


def test_what_is_of_the_bridge_of_another_vswitch_is_named() -> None:
    told = refused(found(None, "other"), overlay=SAID)
    assert "overlay: cannot change here: the bridge is that of vswitch/other; declare" in told
    assert "uplinks" not in told


def test_a_bridge_of_others_with_a_wire_has_none() -> None:
    wired = {"uplink": False, "nics": {"eno3": 0}, "mode": "", "lacp": "", "primary": ""}
    said = found(None, "", eno3=wired)
    assert "not possible on ovs0, where others put eno3" in refused(said, **NEW, overlay=SAID)
    assert planned(found(None, ""), overlay=SAID).changed


@pytest.mark.parametrize("kind", ["macvlan", "macvtap", "ipvlan"])
def test_what_hands_frames_to_a_wire_is_one(kind: str) -> None:
    wired = {"uplink": False, "nics": {"mv0": 0}, "mode": "", "lacp": "", "primary": ""}
    said, links = found(None, "", mv0=wired), {"mv0": link(kind=kind, below="eno3")}
    world = world_of(said, there=False, links=links)
    assert "where others put mv0" in refused(said, world, **NEW, overlay=SAID)


def test_a_patch_to_a_bridge_with_a_wire_or_tunnels_is_in_the_way() -> None:
    patch = {"uplink": False, "nics": {"to9": 0}, "mode": "", "lacp": "", "primary": ""}
    said = found(None, "", to9=patch)
    ends = {
        "to9": ("ovs0", "from0"),
        "from0": ("ovs9", "to9"),
        "to8": ("ovs9", "from9"),
        "from9": ("ovs8", "to8"),
    }
    said["patches"] = {name: {"bridge": on, "to": to} for name, (on, to) in ends.items()}
    said["bridges"].update({"ovs9": {"owner": "", "mtu": 0, "ports": {}}})
    [warning] = [one for one in planned(said, overlay=SAID).warnings if "of others" in one]
    assert warning.startswith("to9 on ovs0 is of others, and stays") and "in circles" in warning
    wire = {**patch, "nics": {"eno3": 0}}
    said["bridges"]["ovs8"] = {"owner": "", "mtu": 0, "ports": {"eno3": wire}}
    says = refused(said, overlay=SAID)
    assert "not possible beside to9, which leads to ovs8 with eno3: frames would go in" in says
    del said["bridges"]["ovs8"]
    said["tunnels"] = {"vx0": tunnel("", options={"key": "9"}, bridge="ovs8")}
    assert "leads to ovs8 with vx0" in refused(said, overlay=SAID)


def test_what_may_lead_elsewhere_on_a_bridge_is_named() -> None:
    pair = {"uplink": False, "nics": {"veth7": 0}, "mode": "", "lacp": "", "primary": ""}
    said = found(None, "", veth7=pair)
    plan = planned(said, world_of(said, links={"veth7": link(kind="veth")}), overlay=SAID)
    assert any(one.startswith("veth7 on ovs0 is of others, and stays") for one in plan.warnings)


def test_a_peer_that_others_lead_to_by_the_same_number_is_refused() -> None:
    said = found(None)
    options = {"remote_ip": PEERS[0], "key": "5000"}
    said["tunnels"] = {"vx0": tunnel("", options=options, bridge="ovs9")}
    told = refused(said, overlay=SAID)
    assert "192.0.2.12 is reached with 5000 by vx0 of ovs9, which others made; remove" in told
    assert planned(said, overlay={**SAID, "id": 5001}).changed
    assert planned(said, overlay={**SAID, "type": "geneve"}).changed


# ---- what ovs-vsctl is told


def told_of(said: dict[str, Any], will: Overlay | None) -> list[list[str]]:
    return list(commands.making(said, "ovs0", Switch("prod", overlay=will)))


def test_each_peer_has_a_tunnel_and_none_leads_to_another() -> None:
    note = json.dumps(OF_LOCAL.note)
    [name] = overlay.tunnels("ovs0", OF_LOCAL)
    assert len(name) <= 15
    assert told_of(found(None), OF_LOCAL) == [
        ["--may-exist", "add-port", "ovs0", name],
        [
            *("set", "Interface", name, "type=geneve", 'options:remote_ip="2001:db8::12"'),
            *('options:key="7"', 'options:dst_port="6081"', 'options:local_ip="2001:db8::11"'),
        ],
        ["clear", "Port", name, "tag", "trunks", "vlan_mode"],
        ["set", "Port", name, "protected=true", 'external_ids:kvm-fleet-overlay="2001:db8::12"'],
        ["set", "Bridge", "ovs0", f"external_ids:kvm-fleet-overlay={note}"],
    ]
    unset = [one for one in told_of(found(None), OVERLAY) if one[0] == "remove"]
    assert [one[2:] for one in unset] == [[n, "options", "local_ip"] for n in (FIRST, SECOND)]


def test_a_tunnel_goes_with_its_peer_and_all_with_the_overlay() -> None:
    one_peer = Overlay("vxlan", 5000, (PEERS[1],), "", 4789)
    assert told_of(found(), one_peer)[0] == ["--if-exists", "del-port", "ovs0", FIRST]
    said = found()
    said["tunnels"]["vx0"] = tunnel("192.0.2.9", peer="")
    assert told_of(said, None) == [
        ["--if-exists", "del-port", "ovs0", min(FIRST, SECOND)],
        ["--if-exists", "del-port", "ovs0", max(FIRST, SECOND)],
        ["remove", "Bridge", "ovs0", "external_ids", "kvm-fleet-overlay"],
    ]


def test_a_switch_is_led_back_to_the_overlay_that_it_had() -> None:
    def led_back(now: Overlay | None, was: Overlay | None) -> list[list[str]]:
        saved = {"bridge": "ovs0", "vlans": {}, "will": Switch("prod", overlay=now).facts}
        saved["of_ovs"] = found(was)["bridges"]["ovs0"]
        return list(commands_back.leading_back(found(now), saved))

    assert ["--may-exist", "add-port", "ovs0", FIRST] in led_back(None, OVERLAY)
    assert ["--if-exists", "del-port", "ovs0", FIRST] in led_back(OVERLAY, None)


# ---- how it is read


def test_what_ovs_vsctl_lists_is_read() -> None:
    nothing, empty = ["set", []], ["map", []]

    def port(name: str, uuid: str, ids: list[list[str]], protected: bool) -> list[Any]:
        of = ["uuid", f"p{uuid}"], ["uuid", f"i{uuid}"]
        return [name, *[nothing] * 3, *of, *[nothing] * 2, empty, ["map", ids], protected]

    def interface(uuid: str, name: str, kind: str, error: str = "", **options: str) -> list[Any]:
        told = ["map", [[*one] for one in options.items()]]
        return [["uuid", f"i{uuid}"], name, nothing, kind, told, error or nothing]

    ports = ["set", [["uuid", "p1"], ["uuid", "p2"], ["uuid", "p3"]]]
    ids = [["kvm-fleet", "prod"], ["kvm-fleet-overlay", OVERLAY.note]]
    options = {"remote_ip": PEERS[0], "key": "5000", "dst_port": "4789", "psk": "geheim"}
    answers = [
        {"data": [[["set", ["netdev", "system"]]]]},
        {"data": [["ovs0", ports, ["map", ids]]]},
        {
            "data": [
                port("ovs0", "1", [], False),
                port(FIRST, "2", [["kvm-fleet-overlay", PEERS[0]]], True),
                port("vx0", "3", [], False),
            ]
        },
        {
            "data": [
                interface("1", "ovs0", "internal"),
                interface("2", FIRST, "vxlan", **options),
                interface("3", "vx0", "geneve", "File exists", remote_ip="192.0.2.9"),
            ]
        },
    ]
    told = open_vswitch.bridges_in([json.dumps(one) for one in answers])
    assert told["tunnels"] == {
        FIRST: tunnel(PEERS[0]),
        "vx0": tunnel(
            "",
            type="geneve",
            options={"remote_ip": "192.0.2.9"},
            protected=False,
            error="File exists",
        ),
    }
    assert list(told["bridges"]["ovs0"]["ports"]) == ["vx0"]
    switch = seen.of_bridge(told, "ovs0")
    assert switch == Switch("prod", overlay=OVERLAY)
    assert seen.of_facts(switch.facts) == switch
