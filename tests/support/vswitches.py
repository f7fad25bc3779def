"""Plans of vswitches without a host, for unit tests."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import FleetErrors
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import Have, Plan
from ansible_collections.kvm.fleet.plugins.module_utils.engine.showing import results
from ansible_collections.kvm.fleet.plugins.module_utils.engine.world import World
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.kind import KIND
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.switch import (
    links_unit,
    linux_files,
    linux_seen,
    network_manager_files,
    seen,
)
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.switch.seen import Switch
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.tree import derived_mac
from support import worlds

GIVEN = {"name": "prod", "state": "active", "purge": False, "apply": "live", "autostart": None}
UUID = "<uuid>0b1f5c3e-7c5e-4a0e-9a55-9f6b0c6f1c13</uuid>"
ON_BRIDGE = "<forward mode='bridge'/><bridge name='{1}'/>"
NETWORKS = {
    "openvswitch": f"<network><name>{{0}}</name>{UUID}{ON_BRIDGE}"
    "<virtualport type='openvswitch'/></network>",
    "linux_bridge": f"<network><name>{{0}}</name>{UUID}<metadata>"
    "<fleet:resource xmlns:fleet='urn:kvm.fleet:1' switch='linux_bridge'/></metadata>"
    f"{ON_BRIDGE}</network>",
}
ALL_VLANS = [[1, 1, "pvid untagged"], [2, 4094, ""]]


def planned(name: str, params: Mapping[str, Any], there: Mapping[str, Have]) -> Plan:
    """The plan for a declaration as the module makes it."""
    checked = ArgumentSpecValidator(KIND.spec()).validate({"name": name, **params})
    assert not checked.error_messages
    [wanted] = KIND.parse(checked.validated_parameters)
    world = worlds.world({"vswitch": there})
    return KIND.plan(wanted, world.will_be("vswitch", name), world)


def existing(declared: Mapping[str, Mapping[str, Any]]) -> dict[str, Have]:
    """Vswitches that were declared before."""
    there: dict[str, Have] = {}
    for name, params in declared.items():
        there[name] = planned(name, {**params, "state": "inactive"}, there).after
    return there


# ---- on a switch of this machine


def on_switch(kind: str, bridge: str, switch: Switch | None, name: str = "prod") -> Have:
    """A vswitch of a type that runs, with what the host tells of the bridge that it is on."""
    tree = xmltree.parse(NETWORKS[kind].format(name, bridge))
    facts = {"state": "active", "autostart": True, "persistent": True}
    return Have("vswitch", name, tree, tree, {**facts, **(switch.facts if switch else {})})


def world_here(there: Mapping[str, Have], links: Mapping[str, Any], **of_host: Any) -> World:
    """This machine with vswitches, interfaces, and what else it tells; `linux_bridges` is all that
    is about these. What is beside bridges of Open vSwitch that are ours is there, unless that says
    otherwise."""
    beside = {"files": _beside(of_host.get("open_vswitch", {}))}
    of_linux = _facts_of_linux(of_host.pop("linux_bridges", beside))
    answers = {
        **worlds.HERE,
        ("links",): links,
        ("interfaces",): {},
        ("routes",): [],
        **{(fact,): said for fact, said in {**of_linux, **of_host}.items()},
    }
    return worlds.world({"vswitch": there, "vm": {}}, answers)


def _facts_of_linux(said: Mapping[str, Any]) -> dict[str, Any]:
    """What is told of bridges of Linux, by the questions to which these are answers."""
    of_keeper = {name: said[name] for name in ("keeper", "has_networkd") if name in said}
    apart = {"switch_files": said.get("files", {}), "network_keeper": of_keeper}
    apart["network_manager"] = said.get("network_manager", {})
    left = {*said} - {*of_keeper, "files", "network_manager"}
    return {**apart, "linux_bridges": {name: said[name] for name in sorted(left)}}


def _beside(open_vswitch: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    files: dict[str, dict[str, str]] = {"networkd": {}, "units": {}}
    for name in open_vswitch.get("bridges", ()):
        switch = seen.of_bridge(open_vswitch, name)
        if switch is not None:
            files["networkd"].update(linux_files.files_beside(name, switch))
            files["units"].update(links_unit.files_of(name, switch, False))
    return files


def planned_in(world: World, **options: Any) -> Plan:
    """The plan for the vswitch prod."""
    [wanted] = KIND.parse({**GIVEN, **options})
    return KIND.plan(wanted, world.will_be("vswitch", wanted.name), world)


def refused_in(world: World, **options: Any) -> str:
    """What is said of a plan that cannot be."""
    with pytest.raises(FleetErrors) as error:
        planned_in(world, **options)
    return str(error.value)


def rows(plan: Plan) -> dict[str, Any]:
    """What a plan changes, from what to what, by the names of the fields."""
    return {row["field"]: (row["before"], row["after"]) for row in results(plan.changes)}


# ---- on a bridge of Linux


def linux_link(kind: str = "", master: str = "", **said: Any) -> dict[str, Any]:
    """A link as the host tells of it beneath a switch."""
    nothing = {"mtu": 1500, "up": True, "filtering": kind == "bridge", "mode": "", "primary": ""}
    return {"kind": kind, "master": master, "pvid": 0, **nothing, **said}


def linux_host(
    stored: Switch | None = None,
    links: Mapping[str, Any] | None = None,
    keeper: str = "networkd",
    vlans: Any = None,
) -> dict[str, Any]:
    """A host with what is stored of br9 as its files say, and these links."""
    made_by = {"networkd": linux_files, "networkmanager": network_manager_files}
    files: dict[str, dict[str, str]] = {name: {} for name in made_by}
    if stored:
        files[stored.backend] = made_by[stored.backend].files_of("br9", stored, derived_mac("prod"))
        files["units"] = links_unit.files_of("br9", stored, True)
    ports = {name: ALL_VLANS for name, of in (links or {}).items() if of["master"] == "br9"}
    is_kept = {"keeper": keeper, "has_networkd": True, "files": files}
    told = network_manager_with(files["networkmanager"], "1.42.4" * (keeper == "NetworkManager"))
    of_links = {"links": dict(links or {}), "vlans": vlans or ports}
    return {**is_kept, **of_links, "network_manager": told}


def network_manager_with(files: Mapping[str, str], version: str = "1.42.4") -> dict[str, Any]:
    """What NetworkManager tells that has read these files, and has all of them active."""
    connections = {
        number: ["x0", f"{network_manager_files.FOLDER}/{name}"]
        for name, number in network_manager_files.connections_in(files).items()
    }
    return {"connections": connections, "version": version, "unmanaged": [], "active": {}}


def on_linux(said: dict[str, Any]) -> Have:
    """The vswitch prod, on what such a host tells of br9."""
    return on_switch("linux_bridge", "br9", seen.of_bridge(linux_seen.seen(said), "br9"))


def commands_of(unit: str) -> list[list[str]]:
    """What the unit of a switch has the host call, as systemd reads it; with a `-`, it may fail."""
    found = []
    for line in unit.replace("\\\n", " ").splitlines():
        if line.startswith("ExecStart="):
            words = shlex.split(line[len("ExecStart=") :])
            found.append([word.replace("$$", "$").replace("%%", "%") for word in words])
    return found
