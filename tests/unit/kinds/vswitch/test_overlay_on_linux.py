"""Overlays of a bridge of Linux: what is planned, refused, told to ip and to networkd, and seen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import FleetErrors
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import Plan
from ansible_collections.kvm.fleet.plugins.module_utils.engine.world import World
from ansible_collections.kvm.fleet.plugins.module_utils.host import linux_bridges, linux_state
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.kind import KIND
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.steps import steps_of
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.switch import (
    linux_commands,
    linux_files,
    linux_names,
    seen,
)
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.switch.overlay import Overlay
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.switch.seen import Switch
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.tree import derived_mac
from support.vswitches import (
    ALL_VLANS,
    linux_host,
    linux_link,
    on_linux,
    planned_in,
    rows,
    world_here,
)

NEW = {"type": "linux_bridge", "bridge": "br9"}
MAC = derived_mac("prod")
PEERS = ("192.0.2.12", "192.0.2.13")
SAID = {"id": 5000, "peers": list(PEERS), "local": "192.0.2.11"}
OVERLAY = Overlay("vxlan", 5000, PEERS, "192.0.2.11", 4789)
STORED = Switch("prod", mtu=1446, backend="networkd", overlay=OVERLAY)
TUNNEL = "br9-ov"


def one(kind: str = "", master: str = "", **said: Any) -> dict[str, Any]:
    return linux_link(kind, master, **{"mtu": 1446, **said})


def vxlan(**said: Any) -> dict[str, Any]:
    tunnel = {"id": 5000, "local": "192.0.2.11", "port": 4789, "peers": [*PEERS]}
    flags = {"learns": True, "learns_as_port": True, "isolated": False, "fixed": []}
    return one("vxlan", "br9", tunnel={**tunnel, **flags, **said})


RUNS = {"br9": one("bridge"), TUNNEL: vxlan()}


def host(stored: Switch | None = None, vlans: Any = None, **links: Any) -> dict[str, Any]:
    return linux_host(stored, links, vlans=vlans)


def world_of(said: dict[str, Any], there: bool = True, **links: Any) -> World:
    nothing = {"master": "", "kind": "", "below": "", "max_mtu": 9000, "mtu": 1500, "up": True}
    eno1 = {**nothing, "addresses": ["192.0.2.11/24"], "default": True}
    haves = {"prod": on_linux(said)} if there else {}
    return world_here(haves, {"eno1": eno1, **links}, linux_bridges=said)


def planned(said: dict[str, Any], world: World | None = None, **options: Any) -> Plan:
    return planned_in(world or world_of(said, "type" not in options), **options)


def told(commands: Any) -> list[str]:
    return [" ".join(one) for one in commands]


# ---- what is planned


def test_a_bridge_is_made_with_an_overlay() -> None:
    plan = planned(host(), **NEW, overlay=SAID, mtu=1446)
    assert rows(plan)["overlay.peers"] == ([], list(PEERS))
    assert rows(plan)["overlay.local"] == ("", "192.0.2.11")
    assert steps_of(plan) == ["define", "autostart", "wire", "start"]
    assert seen.of_facts(plan.after.facts) == STORED


def test_what_is_as_declared_is_not_changed() -> None:
    said = host(STORED, **RUNS)
    result = KIND.result(world_of(said).will_be("vswitch", "prod"))
    assert result["overlay"] == {"type": "vxlan", "port": 4789, **SAID}
    options = {name: result[name] for name in ("type", "bridge", "overlay", "mtu", "backend")}
    assert not planned(said, world_of(said), **options).changed


@pytest.mark.parametrize(
    ("links", "field", "was"),
    [
        ({"br9": one("bridge")}, TUNNEL, "not there"),
        ({**RUNS, TUNNEL: vxlan(id=7)}, f"{TUNNEL} tunnel", "id=7 local=192.0.2.11 port=4789"),
        ({**RUNS, TUNNEL: one("dummy", "br9")}, f"{TUNNEL} tunnel", "no VXLAN"),
        ({**RUNS, TUNNEL: vxlan(peers=[PEERS[0]])}, f"{TUNNEL} peers", "192.0.2.12"),
        ({**RUNS, TUNNEL: {**vxlan(), "up": False}}, TUNNEL, "down"),
        ({**RUNS, TUNNEL: {**vxlan(), "mtu": 1500}}, f"{TUNNEL} MTU", "1500"),
        ({**RUNS, TUNNEL: {**vxlan(), "master": "br8"}}, TUNNEL, "on br8"),
        ({**RUNS, TUNNEL: vxlan(isolated=True)}, f"{TUNNEL} isolated", "on"),
        ({**RUNS, TUNNEL: vxlan(learns=False)}, f"{TUNNEL} learning of peers", "off"),
        ({**RUNS, TUNNEL: vxlan(learns_as_port=False)}, f"{TUNNEL} learning on the bridge", "off"),
        (
            {**RUNS, TUNNEL: vxlan(fixed=[["02::1", "192.0.2.9", 0], ["02::2", "", 10]])},
            f"{TUNNEL} fixed addresses",
            "02::1 to 192.0.2.9, 02::2 VLAN 10",
        ),
    ],
)
def test_what_runs_otherwise_is_set_back(links: dict[str, Any], field: str, was: str) -> None:
    said = host(STORED, {TUNNEL: ALL_VLANS}, **links)
    assert not planned(said).changed, "nobody asked"
    plan = planned(said, overlay=SAID)
    [(before, _after)] = rows(plan).values()
    assert before[field] == was
    assert steps_of(plan) == ["wire"]


def test_a_peer_that_goes_has_to_go_there_too() -> None:
    """The link takes what comes by its number, from wherever."""
    [change] = planned(host(STORED, **RUNS), overlay={"peers": [PEERS[0]]}).changes
    assert change.note.startswith("what is behind 192.0.2.13 is reached no more, once it does not")


def test_one_that_is_left_of_a_former_run_goes() -> None:
    without = replace(STORED, overlay=None)
    [(before, after)] = rows(planned(host(without, **RUNS), overlay={"peers": []})).values()
    assert (before, after) == ({TUNNEL: "there"}, {TUNNEL: "not there"})


def test_a_bridge_goes_with_its_tunnels() -> None:
    plan = planned(host(STORED, **RUNS), state="absent")
    assert rows(plan)["switch"] == ("bridge br9 of Linux", "absent")
    assert told(linux_commands.removing(RUNS, "br9")) == [
        "ip link delete dev br9",
        "ip link delete dev br9-ov",
    ]


@pytest.mark.parametrize(
    ("overlay", "message"),
    [
        ({"type": "geneve", **SAID}, "overlay.type: geneve is not possible on a bridge of Linux"),
        ({"id": 5, "peers": ["2001:db8::12"]}, "overlay.local: is needed on a bridge of Linux for"),
    ],
)
def test_what_linux_has_not_is_refused(overlay: dict[str, Any], message: str) -> None:
    with pytest.raises(FleetErrors, match=message):
        planned(host(), **NEW, overlay=overlay)


def test_an_interface_of_others_by_that_name_is_refused() -> None:
    world = world_of(host(), False, **{TUNNEL: world_of(host()).host.links["eno1"]})
    with pytest.raises(FleetErrors, match="overlay: the host has an interface br9-ov already"):
        planned(host(), world, **NEW, overlay={**SAID, "local": ""})
    assert len(linux_names.tunnel_of("a-longer-bridge")) == 15


def test_a_number_that_a_link_of_others_has_is_refused() -> None:
    said = host(vxlan7={**vxlan(peers=[]), "master": ""})
    with pytest.raises(FleetErrors, match="id: 5000 is that of vxlan7, which others made"):
        planned(said, **NEW, overlay=SAID)
    assert planned(said, **NEW, overlay={**SAID, "port": 8472}).changed


# ---- what is told to networkd and to ip


def test_files_make_it_when_the_host_starts() -> None:
    files = linux_files.files_of("br9", STORED, MAC)
    assert linux_files.stored_in(files) == {"br9": STORED}
    own = "05-kvm-fleet-br9+overlay"
    made, on_it = files[f"{own}.netdev"], files[f"{own}.network"]
    assert made.endswith(
        "[NetDev]\nName=br9-ov\nKind=vxlan\n\n[VXLAN]\nVNI=5000\nLocal=192.0.2.11\n"
        "DestinationPort=4789\nMacLearning=yes\nIndependent=yes\n"
        "UDPChecksum=no\nUDP6ZeroChecksumTx=yes\nUDP6ZeroChecksumRx=yes\n"
    )
    assert "Bridge=br9\n" in on_it and "VLAN=2-4094\n" in on_it and "MTUBytes=1446\n" in on_it
    assert on_it.count("[BridgeFDB]\nMACAddress=00:00:00:00:00:00\nDestination=192.0.2.1") == 2
    by_routes = linux_files.files_of("br9", replaced(local=""), MAC)
    assert "Local=" not in by_routes[f"{own}.netdev"]


def replaced(**said: Any) -> Switch:
    return replace(STORED, overlay=replace(OVERLAY, **said))


def test_a_link_to_all_peers_is_made() -> None:
    found = told(linux_commands.making({"br9": one("bridge")}, "br9", STORED, MAC))
    assert found[:6] == [
        "ip link add name br9-ov type vxlan id 5000 local 192.0.2.11 dstport 4789 noudpcsum "
        "udp6zerocsumtx udp6zerocsumrx",
        "ip link set dev br9-ov master br9",
        "bridge fdb append 00:00:00:00:00:00 dev br9-ov dst 192.0.2.12",
        "bridge fdb append 00:00:00:00:00:00 dev br9-ov dst 192.0.2.13",
        "bridge vlan add dev br9-ov vid 1 pvid untagged",
        "bridge vlan add dev br9-ov vid 2-4094",
    ]
    assert "ip link set dev br9-ov mtu 1446" in found and "ip link set dev br9-ov up" in found


def test_peers_change_in_place_and_all_else_makes_another_link() -> None:
    other = replaced(peers=(PEERS[1], "192.0.2.14"))
    found = told(linux_commands.making(RUNS, "br9", other, MAC))
    assert found[:3] == [
        "bridge fdb delete 00:00:00:00:00:00 dev br9-ov dst 192.0.2.12",
        "ip link set dev br9-ov down",
        "bridge fdb append 00:00:00:00:00:00 dev br9-ov dst 192.0.2.14",
    ]
    assert found[-2] == "ip link set dev br9-ov up"
    assert not told(linux_commands.releasing(RUNS, "br9", STORED, other))
    for will in (replaced(id=7), replaced(local=""), replaced(port=8472), Switch("prod")):
        freed = told(linux_commands.releasing(RUNS, "br9", STORED, will))
        assert freed == ["ip link delete dev br9-ov"]
    assert "ip link delete dev br9-ov" in told(
        linux_commands.making(RUNS, "br9", replaced(id=7), MAC)
    )


# ---- how it is read


def test_what_ip_and_bridge_tell_is_read() -> None:
    rows_of_ip = [
        {
            "ifname": "br9-ov",
            "master": "br9",
            "mtu": 1446,
            "flags": ["UP"],
            "linkinfo": {
                "info_kind": "vxlan",
                "info_data": {"id": 5000, "local": "192.0.2.11", "port": 4789},
            },
        },
        {
            "ifname": "loose",
            "linkinfo": {
                "info_kind": "vxlan",
                "info_data": {"id": 7, "local6": "2001:db8::11", "port": 4789},
            },
        },
    ]
    links = linux_bridges.links_in(rows_of_ip)
    assert links["br9-ov"]["tunnel"] == {**vxlan()["tunnel"], "peers": []}
    assert links["loose"]["tunnel"]["local"] == "2001:db8::11"
    entries = [
        {"mac": "00:00:00:00:00:00", "dst": "192.0.2.13", "flags": ["self"]},
        {"mac": "00:00:00:00:00:00", "dst": "192.0.2.12", "flags": ["self"]},
        {"mac": "52:54:00:00:00:07", "dst": "192.0.2.14", "flags": ["self"]},
    ]
    assert linux_bridges.peers_in(entries) == ["192.0.2.12", "192.0.2.13"]


def test_what_somebody_set_of_a_tunnel_is_told_from_what_it_learnt() -> None:
    rows_of_ip = [
        {
            "ifname": "br9-ov",
            "master": "br9",
            "linkinfo": {
                "info_kind": "vxlan",
                "info_data": {"id": 5000, "learning": False},
                "info_slave_data": {"learning": False, "isolated": True},
            },
        }
    ]
    found = linux_bridges.links_in(rows_of_ip)["br9-ov"]["tunnel"]
    assert (found["learns"], found["learns_as_port"], found["isolated"]) == (False, False, True)
    own, learnt = "02:00:00:00:00:0a", {"mac": "02:00:00:00:00:05", "dst": "192.0.2.13"}
    entries = [
        {"mac": "00:00:00:00:00:00", "dst": "192.0.2.12", "state": "permanent"},
        {"mac": own, "master": "br9", "state": "permanent"},
        {"mac": "33:33:00:00:00:01", "flags": ["self"], "state": "permanent"},
        {**learnt, "state": ""},
        {"mac": "02:00:00:00:00:01", "dst": "192.0.2.13", "state": "permanent"},
        {"mac": "02:00:00:00:00:02", "master": "br9", "vlan": 10, "state": "static"},
        {"mac": "02:00:00:00:00:03", "master": "br9", "state": "permanent"},
    ]
    assert linux_bridges.fixed_in(entries, own) == [
        ["02:00:00:00:00:01", "192.0.2.13", 0],
        ["02:00:00:00:00:02", "", 10],
        ["02:00:00:00:00:03", "", 0],
    ]


def test_what_somebody_set_of_a_tunnel_is_taken_back() -> None:
    fixed = [["02::1", "192.0.2.9", 0], ["02::2", "", 10]]
    flags = {"learns": False, "learns_as_port": False, "isolated": True, "fixed": fixed}
    found = told(linux_commands.making({**RUNS, TUNNEL: vxlan(**flags)}, "br9", STORED, MAC))
    for command in (
        "bridge link set dev br9-ov isolated off",
        "bridge link set dev br9-ov learning on",
        "ip link set dev br9-ov type vxlan learning",
        "bridge fdb delete 02::1 dev br9-ov dst 192.0.2.9",
        "bridge fdb delete 02::2 dev br9-ov master vlan 10",
    ):
        assert command in found


def test_addresses_behind_a_tunnel_have_their_peer() -> None:
    mac = "52:54:00:00:00:07"
    entries = [
        {"mac": mac, "ifname": "br9-ov", "vlan": 10, "master": "br9", "flags": [], "updated": 4},
        {"mac": mac, "ifname": "br9-ov", "dst": "192.0.2.12", "flags": ["self"]},
    ]
    assert linux_state.addresses_in(entries, "br9") == [
        {"mac": mac, "vlan": 10, "port": "br9-ov", "age_s": 4, "peer": "192.0.2.12"}
    ]
