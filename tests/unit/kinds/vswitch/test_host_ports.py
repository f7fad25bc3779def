"""Host ports: what is planned, refused, told to ip, ovs-vsctl and networkd, for both switches."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import FleetErrors
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import Plan
from ansible_collections.kvm.fleet.plugins.module_utils.engine.showing import results
from ansible_collections.kvm.fleet.plugins.module_utils.engine.world import World
from ansible_collections.kvm.fleet.plugins.module_utils.host import open_vswitch
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.kind import KIND
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.steps import steps_of
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.switch import (
    commands,
    host_port_commands,
    host_port_seen,
    links_unit,
    linux_files,
    linux_seen,
    seen,
)
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.switch.host_ports import (
    HostPort,
    port_of,
)
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.switch.seen import Switch
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.tree import derived_mac
from support.vswitches import ALL_VLANS, GIVEN, on_switch, planned_in, rows, world_here

MAC = derived_mac("prod")
BOTH = pytest.mark.parametrize("kind", ["linux_bridge", "openvswitch"])


def link(**said: Any) -> dict[str, Any]:
    nothing = {"master": "", "kind": "", "below": "", "addresses": [], "max_mtu": 9000, "vlan": 0}
    return {**nothing, "default": False, "up": True, "gateways": [], **said}


USED = link(addresses=["192.0.2.7/24"], default=True, gateways=["192.0.2.1"])
MGMT = {"name": "mgmt", "vlan": 10, "addresses": ["192.0.2.7/24"], "gateway": "192.0.2.1"}
PORT = port_of(MGMT)
STORED = Switch("prod", ("eno1",), backend="networkd", host_ports=(PORT,))
VLAN = link(kind="vlan", below="br9", vlan=10, addresses=["192.0.2.7/24"], gateways=["192.0.2.1"])
RUNS = {"eno1": link(), "br9": link(kind="bridge"), "mgmt": VLAN}
LINKS = {"eno1": USED, "eno2": link(), "eno3": link(addresses=["198.51.100.3/24"])}


class Host:
    """What a host tells, with a switch that is stored or not, and these interfaces."""

    def __init__(
        self, kind: str, stored: Switch | None = None, links: Any = None, keeper: str = "networkd"
    ) -> None:
        self.kind, self.stored, self.keeper = kind, stored, keeper
        self.links = LINKS if links is None else links

    @property
    def linux_bridges(self) -> dict[str, Any]:
        files, units, links = {}, {}, {}
        if self.stored is not None and self.kind == "linux_bridge":
            files = linux_files.files_of("br9", self.stored, MAC)
            nothing = {"mtu": 1500, "up": True, "mode": "", "primary": "", "kind": "", "master": ""}
            links = {
                "br9": {**nothing, "kind": "bridge", "filtering": True},
                **{nic: {**nothing, "master": "br9"} for nic in self.stored.nics},
            }
        elif self.stored is not None:
            files = linux_files.files_beside("br9", self.stored)
        if self.stored is not None:
            units = links_unit.files_of("br9", self.stored, self.kind == "linux_bridge")
        vlans = {"eno1": ALL_VLANS, "br9": [[1, 1, "pvid untagged"], [10, 20, ""]]}
        return {"keeper": self.keeper, "has_networkd": True, "links": links, "vlans": vlans,
                "files": {"networkd": files, "units": units}}  # fmt: skip

    @property
    def open_vswitch(self) -> dict[str, Any]:
        bridges, ports = {}, {}
        if self.stored is not None and self.kind == "openvswitch":
            port = {"uplink": True, "nics": {"eno1": 0}, "mode": "", "lacp": "", "primary": ""}
            own = {one.name: one.note for one in self.stored.host_ports}
            bridges["br9"] = {"owner": self.stored.owner, "mtu": 0, "ports": {"eno1": port},
                              "backend": self.stored.backend, "host_ports": own}  # fmt: skip
            ports = {one.name: [one.vlan, [], ""] for one in self.stored.host_ports}
        return {"error": "", "ports": ports, "datapaths": ["system"], "bridges": bridges}

    @property
    def world(self) -> World:
        found = linux_seen.seen(self.linux_bridges)
        switch = seen.of_bridge(self.open_vswitch if self.kind == "openvswitch" else found, "br9")
        haves = {"prod": on_switch(self.kind, "br9", switch)} if self.stored else {}
        return world_here(
            haves, self.links, linux_bridges=self.linux_bridges, open_vswitch=self.open_vswitch
        )


def planned(host: Host, **options: Any) -> Plan:
    named = {} if host.stored else {"type": host.kind, "bridge": "br9"}
    return planned_in(host.world, **named, **options)


def of_ports(plan: Plan) -> dict[str, Any]:
    return {field: what for field, what in rows(plan).items() if field.startswith("host_ports")}


# ---- what is planned


@BOTH
def test_the_hosts_address_moves_from_an_uplink_to_a_host_port(kind: str) -> None:
    plan = planned(Host(kind), uplinks={"nics": ["eno1"]}, host_ports=[MGMT])
    said = {name: value for name, value in MGMT.items() if name != "name"}
    assert of_ports(plan) == {"host_ports.mgmt": ("absent", said)}
    [row] = [row for row in results(plan.changes) if row["field"] == "host_ports.mgmt"]
    assert row["note"] == "192.0.2.7/24 moves from eno1"
    assert rows(plan)["backend"] == ("", "networkd")
    assert "wire" in steps_of(plan) and not plan.warnings
    assert seen.of_facts(plan.after.facts) == STORED


@BOTH
def test_what_is_as_declared_is_not_changed(kind: str) -> None:
    host = Host(kind, STORED, RUNS)
    told = KIND.result(host.world.will_be("vswitch", "prod"))
    assert told["host_ports"] == [MGMT]
    options = {name: told[name] for name in ("uplinks", "mtu", "backend", "host_ports")}
    assert not planned(host, **options).changed
    assert not planned(host, host_ports=[]).changed


@BOTH
def test_single_options_of_a_port_change_and_the_others_stay(kind: str) -> None:
    host = Host(kind, STORED, RUNS)
    plan = planned(host, host_ports=[{"name": "mgmt", "vlan": 20, "roles": ["migration"]}])
    assert of_ports(plan) == {
        "host_ports.mgmt.vlan": (10, 20),
        "host_ports.mgmt.roles": ([], ["migration"]),
    }
    assert not any("NICs" in row.get("note", "") for row in results(plan.changes))
    assert seen.of_facts(plan.after.facts).host_ports[0].gateway == "192.0.2.1"


@BOTH
def test_a_port_goes_by_name_or_where_the_list_is_purged(kind: str) -> None:
    host = Host(kind, STORED, RUNS)
    for options in ({"host_ports": [{"name": "mgmt", "state": "absent"}]},
                    {"host_ports": [], "purge": True}):  # fmt: skip
        plan = planned(host, **options)
        assert of_ports(plan)["host_ports.mgmt"][1] == "absent"
        assert "wire" in steps_of(plan)


@BOTH
@pytest.mark.parametrize(
    ("links", "of", "was"),
    [
        ({**RUNS, "mgmt": {**VLAN, "addresses": []}}, "mgmt addresses", "none"),
        ({**RUNS, "mgmt": {**VLAN, "gateways": []}}, "mgmt gateway", "none"),
        ({**RUNS, "mgmt": {**VLAN, "up": False}}, "mgmt", "down"),
        ({**RUNS, "eno1": USED}, "eno1 addresses", "192.0.2.7/24"),
        ({name: one for name, one in RUNS.items() if name != "mgmt"}, "mgmt", "not there"),
    ],
)
def test_what_runs_otherwise_is_set_back(kind: str, links: Any, of: str, was: str) -> None:
    plan = planned(Host(kind, STORED, links), host_ports=[MGMT])
    assert rows(plan)["links"][0] == {of: was}
    assert "wire" in steps_of(plan)


@BOTH
def test_the_bridge_goes_with_its_host_ports(kind: str) -> None:
    [wanted] = KIND.parse({**GIVEN, "state": "absent"})
    world = Host(kind, STORED, RUNS).world
    plan = KIND.plan(wanted, world.will_be("vswitch", "prod"), world)
    [row] = [row for row in results(plan.changes) if row["field"] == "switch"]
    assert row["after"] == "absent" and "mgmt (192.0.2.7/24)" in row["note"]


@BOTH
def test_a_gateway_may_be_an_address_of_the_link(kind: str) -> None:
    of_ipv6 = {"name": "six", "vlan": 20, "addresses": ["2001:db8::7/64"], "gateway6": "fe80::1"}
    assert "host_ports.six" in of_ports(planned(Host(kind, STORED, RUNS), host_ports=[of_ipv6]))


# ---- what is refused


@BOTH
@pytest.mark.parametrize(
    ("port", "says"),
    [
        ({"addresses": ["192.0.2.8/24"]}, "eno1 has the address 192.0.2.7/24"),
        ({"gateway": ""}, "eno1 has the default route"),
        ({"gateway": "198.51.100.1"}, "198.51.100.1 is on no network of the port"),
        ({"routes": [{"to": "10.0.0.0/8", "via": "10.0.0.1"}]}, "is on no network of the port"),
        ({"gateway6": "fe80::1"}, "fe80::1 is on no network of the port"),
        ({"mtu": 9000}, "9000 is more than the switch has, which is 1500"),
        ({"name": "eno2"}, "the host has an interface eno2 already"),
        ({"name": "uplinks"}, "uplinks is what else of the switch is called"),
        ({"addresses": ["192.0.2.7/24", "198.51.100.3/24"]}, "198.51.100.3/24 is on eno3"),
    ],
)
def test_what_cannot_be_is_refused(kind: str, port: Any, says: str) -> None:
    with pytest.raises(FleetErrors) as error:
        planned(Host(kind), uplinks={"nics": ["eno1"]}, host_ports=[{**MGMT, **port}])
    assert says in str(error.value)


@BOTH
def test_two_ports_share_neither_addresses_nor_the_default_route(kind: str) -> None:
    with pytest.raises(FleetErrors) as error:
        planned(Host(kind, links={}), host_ports=[MGMT, {**MGMT, "name": "more", "vlan": 0}])
    assert "is on two ports" in str(error.value) and "a host one default route" in str(error.value)


def test_a_bridge_of_linux_has_one_port_for_each_vlan() -> None:
    with pytest.raises(FleetErrors) as error:
        planned(Host("linux_bridge"), host_ports=[{"name": "a"}, {"name": "b"}])
    assert "two ports have no VLAN" in str(error.value)


@BOTH
@pytest.mark.parametrize("keeper", ["NetworkManager", "ifupdown"])
def test_what_another_keeps_is_not_taken_over(kind: str, keeper: str) -> None:
    host = Host(kind, keeper=keeper)
    if keeper == "ifupdown":
        with pytest.raises(FleetErrors) as error:
            planned(host, uplinks={"nics": ["eno2"]}, host_ports=[MGMT])
        assert f"{keeper} keeps the host's network" in str(error.value)
    with pytest.raises(FleetErrors) as error:
        planned(host, uplinks={"nics": ["eno1"]}, host_ports=[MGMT], backend="networkd")
    assert "which no uplink has" in str(error.value)


def test_the_last_port_goes_while_the_backend_stays_in_the_declaration() -> None:
    said: dict[str, Any] = {"backend": "networkd", "host_ports": [], "purge": True}
    going = planned(Host("openvswitch", STORED, RUNS), **said)
    assert rows(going)["backend"] == ("networkd", "")
    none_left = Host("openvswitch", Switch("prod", ("eno1",)), RUNS)
    assert not planned(none_left, **said).changed


def test_a_switch_of_libvirts_has_none() -> None:
    [wanted] = KIND.parse({**GIVEN, "type": "isolated", "host_ports": [MGMT]})
    world = Host("openvswitch").world
    with pytest.raises(FleetErrors) as error:
        KIND.plan(wanted, world.will_be("vswitch", "prod"), world)
    assert "host_ports: are not possible for a vswitch of type isolated" in str(error.value)


def test_on_a_bridge_of_others_there_are_none() -> None:
    host = Host("openvswitch", Switch("", ("eno1",)), {**RUNS, "eno1": link()})
    with pytest.raises(FleetErrors) as error:
        planned(host, host_ports=[{"name": "x"}])
    assert "was made by others" in str(error.value)


# ---- what is told to ip, ovs-vsctl and networkd


def told(of: Any) -> list[str]:
    return [" ".join(command) for command in of]


def test_addresses_move_and_routes_follow() -> None:
    assert told(host_port_commands.making(LINKS, "br9", STORED)) == [
        "bridge vlan add dev br9 vid 10 self",
        "ip link add link br9 name mgmt type vlan id 10",
    ]
    assert told(host_port_commands.addressing(LINKS, "br9", Switch(), STORED, True)) == [
        "ip address delete 192.0.2.7/24 dev eno1",
        "ip link set dev mgmt up",
        "ip address replace 192.0.2.7/24 dev mgmt",
        "ip -4 route replace default via 192.0.2.1 dev mgmt proto static",
    ]
    assert told(host_port_commands.addressing(RUNS, "br9", STORED, STORED, True)) == [
        "ip link set dev mgmt up"
    ]


def test_a_vlan_has_the_usual_mtu_again_with_its_switch() -> None:
    """As after a change that was set back: the kernel lowers it with the bridge alone."""
    small = replace(STORED, mtu=1400)
    of_its_own = replace(STORED, host_ports=(replace(PORT, mtu=1400),))
    up = "ip link set dev mgmt up"
    for was in (small, of_its_own):
        found = told(host_port_commands.addressing(RUNS, "br9", was, STORED, True))
        assert found == ["ip link set dev mgmt mtu 1500", up]
        assert told(host_port_commands.addressing(RUNS, "br9", was, STORED, False)) == [up]
        found = told(host_port_commands.addressing(RUNS, "br9", STORED, was, True))
        assert found == ["ip link set dev mgmt mtu 1400", up]


def test_another_vlan_makes_the_interface_anew() -> None:
    will = Switch("prod", ("eno1",), host_ports=(HostPort("mgmt", 20),))
    assert told(host_port_commands.releasing(RUNS, "br9", STORED, will)) == [
        "ip link delete dev mgmt",
        "bridge vlan delete dev br9 vid 10 self",
    ]


def test_without_a_vlan_the_bridge_itself_has_the_addresses() -> None:
    was = Switch("prod", host_ports=(HostPort("mgmt", 0, ("192.0.2.7/24",)),))
    will = Switch("prod", host_ports=(HostPort("mgmt", 0, ("192.0.2.9/24",)),))
    links = {"br9": link(addresses=["192.0.2.7/24", "203.0.113.5/24"], gateways=["192.0.2.1"])}
    assert told(host_port_commands.addressing(links, "br9", was, will, True)) == [
        "ip address delete 192.0.2.7/24 dev br9",
        "ip link set dev br9 up",
        "ip address replace 192.0.2.9/24 dev br9",
        "ip -4 route flush exact default via 192.0.2.1 dev br9",
    ]
    # What others gave the bridge beside is theirs.
    links = {"br9": link(addresses=["192.0.2.9/24", "203.0.113.5/24"])}
    assert not [*host_port_seen.astray(links, "br9", will, True)]


def test_open_vswitch_has_an_internal_port() -> None:
    there = {"bridges": {}, "datapaths": ["system"]}
    note = '"{\\"name\\": \\"mgmt\\", \\"vlan\\": 10, \\"addresses\\": [\\"192.0.2.7/24\\"], '
    found = told(commands.making(there, "br9", STORED))
    assert found[-5:-1] == [
        "--may-exist add-port br9 mgmt",
        "set Interface mgmt type=internal",
        "clear Interface mgmt mtu_request",
        "clear Port mgmt tag trunks vlan_mode",
    ]
    assert found[-1].startswith(f"set Port mgmt tag=10 external_ids:kvm-fleet-host={note}")
    has = Host("openvswitch", STORED).open_vswitch
    assert "--if-exists del-port br9 mgmt" in told(commands.making(has, "br9", Switch("prod")))


def test_a_port_is_known_by_its_note() -> None:
    answers = [
        '{"data":[[["set",["system"]]]]}',
        '{"data":[["br9",["set",[["uuid","p1"],["uuid","p2"]]],["map",[["kvm-fleet","prod"]]]]]}',
        """{"data":[["br9",["set",[]],["set",[]],["set",[]],["uuid","p1"],["uuid","i1"],["set",[]],
        ["set",[]],["map",[]],["map",[]],false],
        ["mgmt",10,["set",[]],["set",[]],["uuid","p2"],["uuid","i2"],["set",[]],["set",[]],
        ["map",[]],["map",[["kvm-fleet-host","{\\"name\\": \\"mgmt\\", \\"vlan\\": 10}"]]],
        false]]}""",
        """{"data":[[["uuid","i1"],"br9",["set",[]],"internal",["map",[]],["set",[]]],
        [["uuid","i2"],"mgmt",["set",[]],"internal",["map",[]],["set",[]]]]}""",
    ]
    found = seen.of_bridge(open_vswitch.bridges_in(answers), "br9")
    assert found == Switch("prod", backend="networkd", host_ports=(HostPort("mgmt", 10),))
    assert not seen.others_on(open_vswitch.bridges_in(answers), "br9")


def test_files_say_addresses_and_routes() -> None:
    port = port_of({**MGMT, "routes": [{"to": "10.0.0.0/8", "via": "192.0.2.2"}], "mtu": 1400})
    plain = port_of({"name": "plain", "addresses": ["2001:db8::7/64"], "gateway6": "2001:db8::1"})
    will = Switch("prod", ("eno1",), backend="networkd", host_ports=(port, plain))
    files = linux_files.files_of("br9", will, MAC)
    assert linux_files.stored_in(files) == {"br9": will}
    assert "Kind=vlan\n\n[VLAN]\nId=10" in files["05-kvm-fleet-br9+mgmt.netdev"]
    mgmt = files["05-kvm-fleet-br9+mgmt.network"]
    assert "[Link]\nMTUBytes=1400\n" in mgmt and "Address=192.0.2.7/24\nGateway=192.0.2.1" in mgmt
    assert "\n[Route]\nDestination=10.0.0.0/8\nGateway=192.0.2.2\n" in mgmt
    itself = files["05-kvm-fleet-br9.network"]
    assert "[Network]\nVLAN=mgmt\n" in itself and "\n[BridgeVLAN]\nVLAN=10\n" in itself
    assert "LinkLocalAddressing=ipv6" in itself and "Address=2001:db8::7/64" in itself
    beside = linux_files.files_beside("br9", will)
    assert {*beside} == {f"05-kvm-fleet-br9+{n}.network" for n in ("eno1", "mgmt", "plain")}
    assert "LinkLocalAddressing=no" in beside["05-kvm-fleet-br9+eno1.network"]
    assert not linux_files.files_beside("br9", Switch("prod", ("eno1",)))
    assert {*links_unit.files_of("br9", will, False)} == {"kvm-fleet-switch-br9.service"}
    assert not links_unit.files_of("br9", Switch("", ("eno1",)), False)
