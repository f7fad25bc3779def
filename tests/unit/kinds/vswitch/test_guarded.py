"""Changes of a switch that a host sets back unless they are confirmed, and what leads back."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import FleetError, FleetErrors
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import Plan
from ansible_collections.kvm.fleet.plugins.module_utils.engine.showing import results
from ansible_collections.kvm.fleet.plugins.module_utils.engine.world import World
from ansible_collections.kvm.fleet.plugins.module_utils.host import way_in
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.steps import steps_of
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.switch import (
    at_risk,
    commands_back,
)
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.switch.host_ports import (
    port_of,
)
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.switch.seen import Switch
from support.vswitches import planned_in, world_here

GIVEN = {"name": "prod", "state": "active", "purge": False, "apply": "live", "autostart": None}
NEW = {"type": "linux_bridge", "bridge": "br9"}
MGMT = {"name": "mgmt", "vlan": 10, "addresses": ["192.0.2.7/24"], "gateway": "192.0.2.1"}


def link(**said: Any) -> dict[str, Any]:
    nothing = {"master": "", "kind": "", "below": "", "addresses": [], "max_mtu": 9000, "vlan": 0}
    return {**nothing, "default": False, "up": True, "gateways": [], **said}


LINKS = {
    "eno1": link(addresses=["192.0.2.7/24"], default=True, gateways=["192.0.2.1"]),
    "eno2": link(),
    "eno3": link(addresses=["198.51.100.7/24"]),
}


def world_of(**said: Any) -> World:
    bridges = {"keeper": "networkd", "has_networkd": True, "links": {}, "vlans": {}, "files": {}}
    way_in = {"address": "", "systemd": True, "unconfirmed": "", **said}
    return world_here({}, LINKS, linux_bridges=bridges, way_in=way_in)


def planned(world: World, nic: str = "eno1", **options: Any) -> Plan:
    ports = {"host_ports": [MGMT]} if nic == "eno1" else {}
    return planned_in(world, **{**NEW, "uplinks": {"nics": [nic]}, **ports, **options})


def guard(plan: Plan) -> dict[str, Any]:
    rows = [row for row in results(plan.changes) if row["field"] == "checkpoint"]
    return rows[0] if rows else {}


def test_a_change_of_the_way_in_is_guarded_before_it_is_made() -> None:
    plan = planned(world_of(address="192.0.2.7"))
    said = guard(plan)
    assert said["after"] == "set back after 60 s unless confirmed"
    assert said["note"] == "Ansible came by 192.0.2.7 on eno1"
    steps = steps_of(plan)
    assert steps.index("guard") < steps.index("wire")


@pytest.mark.parametrize(
    ("options", "after"),
    [({}, ""), ({"confirm_timeout_s": 20}, "set back after 20 s unless confirmed")],
)
def test_what_cuts_nobody_off_is_guarded_only_where_that_is_declared(
    options: Any, after: str
) -> None:
    plan = planned(world_of(address="198.51.100.7"), "eno2", **options)
    assert guard(plan).get("after", "") == after


def test_without_ssh_the_default_route_counts_and_0_is_never() -> None:
    assert guard(planned(world_of()))["note"] == "the host's default route is by eno1"
    assert not guard(planned(world_of(), confirm_timeout_s=0))


def test_what_is_not_confirmed_stands_in_the_way_of_the_next() -> None:
    with pytest.raises(FleetError, match="a change of vswitch/x is not confirmed yet"):
        planned(world_of(unconfirmed="vswitch/x"), "eno2")


def test_without_systemd_nothing_is_set_back() -> None:
    with pytest.raises(FleetError, match="without systemd the host sets nothing back"):
        planned(world_of(systemd=False))


@pytest.mark.parametrize("seconds", [-1, 1, 9, 3601])
def test_there_has_to_be_time_for_a_connection(seconds: int) -> None:
    with pytest.raises(FleetErrors, match="is neither 0 nor from 10 to 3600"):
        planned(world_of(), confirm_timeout_s=seconds)


def test_the_way_in_is_on_the_switch_before_or_after() -> None:
    def why(now: Switch, will: Switch, address: str, links: Any) -> str:
        return at_risk.why(now, will, ("br9", True), address, links)

    links = {"br9": link(), "eno1": link(addresses=["192.0.2.7/24"]), "mgmt": link()}
    one, none = Switch("prod", ("eno1",)), Switch("prod")
    assert why(one, none, "192.0.2.7", links) == "Ansible came by 192.0.2.7 on eno1"
    assert why(none, one, "192.0.2.7", links) == "Ansible came by 192.0.2.7 on eno1"
    assert why(none, one, "fe80::1%eno1", links) == "Ansible came by fe80::1%eno1 on eno1"
    assert why(none, one, "", links) == "192.0.2.7/24 of the host moves"
    assert why(none, none, "192.0.2.7", links) == ""
    port = Switch("prod", host_ports=(port_of(MGMT),))
    assert why(port, none, "192.0.2.7", {"br9": link()}) == "Ansible came by 192.0.2.7"


def test_a_host_port_by_which_ansible_came_does_not_go_with_its_bridge() -> None:
    was = Switch("prod", host_ports=(port_of(MGMT),))
    links = {"mgmt": link(addresses=["192.0.2.7/24"])}
    assert at_risk.way_by_port(was, ("br9", True), "192.0.2.7", links)
    assert not at_risk.way_by_port(was, ("br9", True), "192.0.2.8", links)


# ---- what leads back


def port(*nics: str, uplink: bool = True, **said: Any) -> dict[str, Any]:
    own = {"uplink": uplink, "nics": dict.fromkeys(nics, 0), "mode": "", "lacp": "", "primary": ""}
    return {**own, **said}


def back(was: Any, now: Any, will: Switch, vlans: Any = None) -> list[str]:
    def seen(bridge: Any) -> dict[str, Any]:
        return {"bridges": {} if bridge is None else {"br9": bridge}, "ports": vlans or {}}

    found = {"links": LINKS, "open_vswitch": seen(was)}
    saved = at_risk.saved("br9", False, None, will, found)
    return [" ".join(one) for one in commands_back.leading_back(seen(now), saved)]


def bridge(**ports: Any) -> dict[str, Any]:
    return {"owner": "prod", "mtu": 0, "ports": ports}


def test_a_bridge_that_was_not_there_goes() -> None:
    assert back(None, bridge(eno1=port("eno1")), Switch("prod")) == ["--if-exists del-br br9"]


def test_another_uplink_goes_and_the_former_comes_back_with_its_vlans() -> None:
    was, will = bridge(eno1=port("eno1")), Switch("prod", ("eno2",))
    told = back(was, bridge(eno2=port("eno2"), tap=port("tap", uplink=False)), will,
                {"eno1": [0, [10, 20], "trunk"]})  # fmt: skip
    assert told[:2] == ["--if-exists del-port br9 eno2", "add-port br9 eno1"]
    assert "set Port eno1 trunks=10,20 vlan_mode=trunk" in told
    assert not any("tap" in one for one in told)


def test_a_port_of_others_that_was_taken_up_is_theirs_again() -> None:
    was, now = bridge(eno1=port("eno1", uplink=False)), bridge(eno1=port("eno1"))
    told = back(was, now, Switch("prod", ("eno1",)))
    assert "remove Port eno1 external_ids kvm-fleet" in told
    assert not any("del-port" in one or "add-port" in one for one in told)


def test_a_bond_and_host_ports_are_as_they_were() -> None:
    note = port_of(MGMT).note
    was = {**bridge(bond=port("eno1", "eno2", mode="balance-slb", lacp="off")),
           "host_ports": {"mgmt": note}}  # fmt: skip
    now = {**bridge(eno1=port("eno1")), "host_ports": {"more": note}}
    told = back(was, now, Switch("prod", ("eno1",)), {"mgmt": [10, [], ""]})
    assert told[:3] == [
        "--if-exists del-port br9 eno1",
        "--if-exists del-port br9 more",
        "add-bond br9 bond eno1 eno2",
    ]
    assert "set Port bond bond_mode=balance-slb lacp=off" in told
    assert "--may-exist add-port br9 mgmt" in told and "set Port mgmt tag=10" in told


def test_mtus_of_uplinks_are_saved_and_set_where_they_differ() -> None:
    were = {"eno1": link(mtu=1500), "eno2": link(mtu=9000)}
    saved = at_risk.saved("br9", False, None, Switch("prod", ("eno1", "eno2")), {"links": were})
    told = commands_back.mtus(saved, {"eno1": link(mtu=68), "eno2": link(mtu=9000)})
    assert [" ".join(one) for one in told] == ["ip link set dev eno1 mtu 1500"]
    assert not [*commands_back.mtus(saved, {})]


def test_addresses_of_uplinks_are_saved_and_missed() -> None:
    saved = at_risk.saved("br9", True, None, Switch("prod", ("eno1", "eno2")), {"links": LINKS})
    uplinks = saved["uplinks"]
    assert [*uplinks] == ["eno1"] and not commands_back.missing(uplinks, LINKS)
    missing = commands_back.missing(uplinks, {"eno1": link()})
    assert missing == ["192.0.2.7/24", "192.0.2.1"]
    assert [" ".join(one) for one in commands_back.addresses(uplinks)] == [
        "ip link set dev eno1 up",
        "ip address replace 192.0.2.7/24 dev eno1",
        "ip -4 route replace default via 192.0.2.1 dev eno1",
    ]


def test_the_address_is_the_servers() -> None:
    assert way_in.address_in("203.0.113.5 50000 192.0.2.7 22") == "192.0.2.7"
    assert way_in.address_in("::ffff:203.0.113.5 50000 ::ffff:192.0.2.7 22") == "192.0.2.7"
    assert way_in.address_in("fe80::9%eno1 50000 fe80::1%eno1 22") == "fe80::1%eno1"
    assert way_in.address_in("") == ""
