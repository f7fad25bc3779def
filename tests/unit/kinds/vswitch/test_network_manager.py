"""A bridge of Linux that NetworkManager keeps: what is planned, refused, written and read."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import Plan
from ansible_collections.kvm.fleet.plugins.module_utils.engine.world import World
from ansible_collections.kvm.fleet.plugins.module_utils.host import network_manager
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.steps import steps_of
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.switch import (
    commands,
    host_port_commands,
    links_unit,
    linux_files,
    linux_seen,
    network_manager_files,
    seen,
)
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.switch.host_ports import (
    HostPort,
)
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.switch.seen import Switch
from support.vswitches import (
    linux_host,
    network_manager_with,
    on_linux,
    on_switch,
    planned_in,
    refused_in,
    rows,
    world_here,
)
from support.vswitches import linux_link as one

MAC = "52:54:00:0e:09:01"
NEW = {"type": "linux_bridge", "bridge": "br9"}
BY_IT = {"backend": "networkmanager"}
ONE = Switch("prod", ("eno1",), **BY_IT)
RUNS_ONE = {"br9": one("bridge"), "eno1": one(master="br9")}
USED = {"addresses": ["192.0.2.7/24"], "default": True, "gateways": ["192.0.2.1"]}
MGMT = {"name": "mgmt", "addresses": ["192.0.2.7/24"], "gateway": "192.0.2.1"}


def link(**said: Any) -> dict[str, Any]:
    nothing = {"master": "", "kind": "", "below": "", "addresses": [], "up": True, "mtu": 1500}
    return {**nothing, "max_mtu": 0, "default": False, "gateways": [], "vlan": 0, **said}


LINKS = {
    "eno1": link(),
    "eno2": link(),
    "used": link(**USED),
    "team0": link(kind="bond"),
    "br9": link(kind="bridge"),
}


def host(stored: Switch | None = None, **links: Any) -> dict[str, Any]:
    return linux_host(stored, links, "NetworkManager")


def world_of(said: dict[str, Any], there: bool = False) -> World:
    haves = {"prod": on_linux(said)} if there else {}
    links = {name: one for name, one in LINKS.items() if there or name != "br9"}
    way_in = {"address": "", "unconfirmed": "", "systemd": True}
    hook = {"installed": "2f3c", "called": True}
    return world_here(haves, links, linux_bridges=said, vlan_hook=hook, way_in=way_in)


def planned(said: dict[str, Any], **options: Any) -> Plan:
    return planned_in(world_of(said, "type" not in options), **options)


def refused(said: dict[str, Any], **options: Any) -> str:
    return refused_in(world_of(said, "type" not in options), **options)


# ---- what is planned


def test_where_network_manager_keeps_the_network_it_keeps_a_new_switch() -> None:
    plan = planned(host(), **NEW, uplinks={"nics": ["eno1"]})
    assert rows(plan)["backend"] == ("", "networkmanager")
    assert not plan.warnings and "wire" in steps_of(plan)


def test_it_is_declared_where_networkd_runs_beside_it() -> None:
    said = {**linux_host(), "network_manager": network_manager_with({})}
    assert rows(planned(said, **NEW))["backend"] == ("", "networkd")
    assert rows(planned(said, **NEW, **BY_IT))["backend"] == ("", "networkmanager")


def test_networkd_is_declared_where_it_is_to_keep_it_beside() -> None:
    plan = planned(host(), **NEW, backend="networkd")
    assert rows(plan)["backend"] == ("", "networkd")
    assert "systemd-networkd does not run" in plan.warnings[0]


def test_a_second_run_changes_nothing() -> None:
    plan = planned(host(ONE, **RUNS_ONE), uplinks={"nics": ["eno1"]}, **BY_IT)
    assert not plan.changes


def test_an_address_of_an_uplink_moves_to_a_host_port() -> None:
    said = host()
    said["network_manager"]["active"] = {"used": "Wired connection 1"}
    plan = planned(said, **NEW, uplinks={"nics": ["used"]}, host_ports=[MGMT])
    assert "checkpoint" in rows(plan)
    assert "the connection Wired connection 1 of NetworkManager, which used has" in plan.warnings[0]
    # Whoever else keeps the network would set it again.
    beside = {**linux_host(), "network_manager": network_manager_with({})}
    mistake = refused(beside, **NEW, **BY_IT, uplinks={"nics": ["used"]}, host_ports=[MGMT])
    assert "used has the address 192.0.2.7/24 and the default route" in mistake


def test_what_others_made_of_its_connections_is_set_back() -> None:
    said = host(ONE, **RUNS_ONE)
    told, files = said["network_manager"], said["files"]["networkmanager"]
    [main, of_nic] = numbers = network_manager_files.connections_in(files)
    files[main] = files[main].replace("stp=false", "stp=true")
    told["connections"][numbers[of_nic]][0] = ""
    plan = planned(said, uplinks={"nics": ["eno1"]})
    assert rows(plan)["links"] == (
        {main: "otherwise", "connection br9+eno1.nmconnection": "not active"},
        {main: "as declared", "connection br9+eno1.nmconnection": "active"},
    )
    said = host(ONE, **RUNS_ONE)
    said["network_manager"]["connections"] = {numbers[of_nic]: ["eno1", "/run/x"]}
    was, will = rows(planned(said, uplinks={"nics": ["eno1"]}))["links"]
    assert was == {main: "not read", of_nic: "read from /run/x"}
    assert will == {main: "read", of_nic: "read"}


# ---- what is refused


def of_version(version: str) -> dict[str, Any]:
    return {**host(), "network_manager": network_manager_with({}, version)}


def unmanaged(name: str) -> dict[str, Any]:
    return {**host(), "network_manager": {**network_manager_with({}), "unmanaged": [name]}}


OVERLAY = {"id": 7, "peers": ["192.0.2.12"]}


@pytest.mark.parametrize(
    ("said", "options", "message"),
    [
        (of_version(""), {}, "NetworkManager does not run, or the host has no nmcli"),
        (of_version("1.18.4"), {}, "NetworkManager 1.18.4 is too old"),
        (of_version("1.18.4"), {}, "1.20 or newer is needed"),
        (linux_host(), BY_IT, "NetworkManager does not run, or the host has no nmcli"),
        (unmanaged("eno1"), {"uplinks": {"nics": ["eno1"]}}, "eno1 is none that NetworkManager"),
        (host(), {"uplinks": {"nics": ["team0"]}}, "team0 is a bond; by NetworkManager network ca"),
        (host(), {"overlay": OVERLAY, "mtu": 1400}, "its VXLAN has one peer"),
        (host(), {"type": "isolated", **BY_IT}, "backend: means nothing for a vswitch of type"),
    ],
)
def test_what_it_cannot_keep_is_refused(
    said: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    assert message in refused(said, **{**NEW, **options})


def test_a_newer_one_is_taken() -> None:
    assert planned(of_version("1.52.1"), **NEW).changes
    assert planned(of_version("2.0-rc1"), **NEW).changes


def test_who_keeps_a_switch_stays() -> None:
    kept = Switch("prod", ("eno1",), backend="networkd")
    said = {**linux_host(kept, RUNS_ONE), "network_manager": network_manager_with({})}
    assert "cannot become networkmanager: networkd keeps the bridge" in refused(said, **BY_IT)
    assert "cannot become networkd" in refused(host(ONE, **RUNS_ONE), backend="networkd")


# ---- host ports on Open vSwitch

ON_OVS = {"type": "openvswitch", "bridge": "ovs9"}
MOVED = replace(ONE, host_ports=(HostPort("mgmt", 0, ("192.0.2.7/24",), "192.0.2.1"),))


def world_of_ovs(said: dict[str, Any], systemd: bool = True, **of_host: Any) -> World:
    bridges = of_host.pop("bridges", {})
    ovs = {"error": "", "ports": {}, "datapaths": [], "tunnels": {}, "patches": {}}
    way_in = {"address": "", "unconfirmed": "", "systemd": systemd}
    haves = {"prod": on_switch("openvswitch", "ovs9", seen.of_bridge({"bridges": bridges}, "ovs9"))}
    return world_here(
        haves if bridges else {},
        of_host.pop("links", {"eno1": LINKS["eno1"], "used": LINKS["used"]}),
        linux_bridges=said, open_vswitch={**ovs, "bridges": bridges}, way_in=way_in,
    )  # fmt: skip


def test_host_ports_on_open_vswitch_are_kept_beside_it() -> None:
    said = host()
    said["network_manager"]["active"] = {"used": "Wired connection 1"}
    ports = {"uplinks": {"nics": ["used"]}, "host_ports": [MGMT]}
    plan = planned_in(world_of_ovs(said), **ON_OVS, **ports)
    told = rows(plan)
    assert told["backend"] == ("", "networkmanager") and "checkpoint" in told
    assert "the connection Wired connection 1 of NetworkManager, which used has" in plan.warnings[0]
    assert plan.after.facts["backend"] == "networkmanager"


def there(**files: dict[str, str]) -> World:
    """Where they are there."""
    [port] = MOVED.host_ports
    of = {"mode": "", "lacp": "", "primary": ""}
    bridge = {
        "owner": "prod", "mtu": 0, "backend": "networkmanager", "host_ports": {"mgmt": port.note},
        "ports": {"eno1": {"uplink": True, "nics": {"eno1": 0}, **of}},
    }  # fmt: skip
    links = {"eno1": LINKS["eno1"], "mgmt": link(**USED)}
    own = {
        "networkmanager": network_manager_files.files_beside("ovs9", MOVED),
        "units": links_unit.files_of("ovs9", MOVED, False),
    }
    said = {**host(), "files": {**own, **files}}
    return world_of_ovs(said, bridges={"ovs9": bridge}, links=links)


BESIDE = "05-kvm-fleet-ovs9.conf"


def test_they_are_left_alone_where_they_are_as_declared() -> None:
    assert not planned_in(there(), host_ports=[MGMT]).changes
    plan = planned_in(there(networkmanager={}), host_ports=[MGMT])
    assert rows(plan)["links"] == ({BESIDE: "not there"}, {BESIDE: "as declared"})
    other = [{**MGMT, "addresses": ["192.0.2.8/24"]}]
    assert "cannot become networkd: networkmanager keeps" in refused_in(
        there(), host_ports=other, backend="networkd"
    )


def test_without_systemd_nobody_sets_their_addresses() -> None:
    world = world_of_ovs(host(), systemd=False)
    message = refused_in(world, **ON_OVS, host_ports=[{**MGMT, "gateway": ""}])
    assert "without systemd nobody would set their addresses" in message


def test_network_manager_has_nothing_to_do_with_them() -> None:
    beside = network_manager_files.files_beside("ovs9", MOVED)
    assert list(beside) == [BESIDE]
    said = "unmanaged-devices+=interface-name:eno1;interface-name:mgmt"
    assert beside[BESIDE].endswith(f"\n[keyfile]\n{said}\n")
    assert not linux_files.files_beside("ovs9", MOVED)
    for will in (ONE, replace(MOVED, backend="networkd")):
        assert not network_manager_files.files_beside("ovs9", will)


def test_open_vswitch_notes_who_keeps_them() -> None:
    def told(now: Any, will: Switch) -> list[str]:
        found = {"owner": "prod", "mtu": 0, "ports": {}, **now}
        said = commands.making({"bridges": {"ovs9": found}}, "ovs9", will)
        return [" ".join(one) for one in said if "kvm-fleet-backend" in " ".join(one)]

    of = "external_ids{}kvm-fleet-backend".format
    assert told({}, MOVED) == [f"set Bridge ovs9 {of(':')}=networkmanager"]
    assert told({"backend": "networkmanager"}, Switch("prod")) == [f"remove Bridge ovs9 {of(' ')}"]
    assert not told({"backend": "networkd"}, replace(MOVED, backend="networkd"))


# ---- what is written


PAIR = Switch("prod", ("eno1", "eno2"), "active_backup", "eno2", 9000, **BY_IT, vlans=("10-20",))
GOLDEN = Path(__file__).parent / "network_manager"
PORTS = (
    HostPort("mgmt", 0, ("192.0.2.7/24", "2001:db8::7/64"), "192.0.2.1", "fe80::1"),
    HostPort("move", 20, ("198.51.100.7/24",), routes=(("10.9.0.0/16", "198.51.100.1"),), mtu=1500),
)
CASES = {
    "one_uplink": ONE,
    "bond": PAIR,
    "lacp": Switch("prod", ("eno1", "eno2"), "lacp", **BY_IT),
    "balance_xor": Switch("prod", ("eno1", "eno2"), "balance_xor", **BY_IT),
    "host_ports": replace(ONE, host_ports=PORTS, mtu=9000),
    "alone": Switch('pr"od é', **BY_IT),
}


@pytest.mark.parametrize("case", CASES)
def test_the_files_are_as_they_were(case: str) -> None:
    files = network_manager_files.files_of("br9", CASES[case], MAC)
    text = "".join(f"==> {name}\n{text}\n" for name, text in files.items())
    assert text == (GOLDEN / f"{case}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("case", CASES)
def test_the_note_says_what_was_declared(case: str) -> None:
    files = network_manager_files.files_of("br9", CASES[case], MAC)
    assert list(files)[-1] == network_manager_files.main_of("br9")
    assert network_manager_files.stored_in(files) == {"br9": CASES[case]}
    others = {"05-kvm-fleet-br99.nmconnection": "", "05-kvm-fleet-br99+eno1.nmconnection": ""}
    assert linux_files.of_bridge({**files, **others}, "br9") == files


def test_a_note_that_somebody_spoiled_is_none() -> None:
    files = network_manager_files.files_of("br9", ONE, MAC)
    main = network_manager_files.main_of("br9")
    for note in ("", "[]", '{"owner": "prod"}'):
        broken = {main: f"[user]\n{network_manager_files.NOTE}{note}\n"}
        assert network_manager_files.stored_in({**files, **broken}) == {}
    assert linux_seen.seen({"links": {}, "files": {}})["bridges"] == {}


def test_what_is_on_another_becomes_active_anew_and_nothing_else() -> None:
    def anew(was: Switch, will: Switch) -> list[str]:
        files = (network_manager_files.files_of("br9", one, MAC) for one in (was, will))
        return network_manager_files.anew(*files)

    of = "05-kvm-fleet-br9+{0}.nmconnection".format
    assert anew(ONE, replace(ONE, mtu=9000, vlans=("10",))) == []
    assert anew(PAIR, replace(PAIR, primary="eno1")) == []
    two = replace(PAIR, mtu=0)
    assert anew(ONE, two) == [of("uplinks"), of("eno1"), of("eno2")]
    assert anew(two, ONE) == [of("eno1")]
    ported = replace(ONE, host_ports=PORTS)
    other = replace(PORTS[1], addresses=("198.51.100.8/24",))
    assert anew(ported, replace(ported, host_ports=(PORTS[0], other))) == []
    assert anew(ported, replace(ported, host_ports=(replace(PORTS[1], vlan=21),))) == [of("move")]


def test_what_it_leaves_of_host_ports_goes() -> None:
    was, links = replace(ONE, host_ports=PORTS), {"br9": {}, "move": {}}
    other = replace(PORTS[1], routes=(("10.8.0.0/16", "198.51.100.1"),))
    will = replace(ONE, host_ports=(replace(PORTS[0], addresses=("192.0.2.7/24",)), other))
    told = [" ".join(one) for one in host_port_commands.clearing(links, "br9", was, will)]
    assert told == ["ip -4 route flush exact 10.9.0.0/16 via 198.51.100.1 dev move"]
    [back] = host_port_commands.clearing(links, "br9", replace(will, host_ports=()), was)
    assert back[-1] == "echo 0 > /proc/sys/net/ipv6/conf/br9/disable_ipv6"
    assert not [*host_port_commands.clearing({}, "br9", was, will)]


# ---- what it tells


def test_fields_of_terse_lines_are_told_apart() -> None:
    told = r"eno1:connected:A\: B\\C"
    assert network_manager.fields_in(told) == ["eno1", "connected", "A: B\\C"]
    assert network_manager.fields_in("lo:unmanaged:") == ["lo", "unmanaged", ""]


def test_files_are_for_root_only_and_each_in_its_place(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folders = {".nmconnection": tmp_path / "connections", ".conf": tmp_path / "conf"}
    monkeypatch.setattr(network_manager, "_FOLDERS", folders)
    files = network_manager_files.files_of("br9", ONE, MAC)
    network_manager.write_files(files, {})
    assert network_manager.read_files() == files
    assert {path.stat().st_mode & 0o777 for path in tmp_path.glob("*/*")} == {0o600}
    network_manager.write_files({}, files)
    assert network_manager.read_files() == {}


def test_without_nmcli_it_does_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    told = network_manager.read_network_manager()
    assert (told["version"], told["active"], told["connections"]) == ("", {}, {})
    assert json.dumps(told)
