"""Networks on devices of the host: what is planned under VMs that run, and which devices count."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.changes import RESTART
from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import FleetError, FleetErrors
from ansible_collections.kvm.fleet.plugins.module_utils.engine.looked_at import Interface
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import Have, Plan
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.kind import KIND
from support import worlds
from support.vswitches import GIVEN, UUID, rows

NETWORK = f"<network><name>prod</name>{UUID}<forward mode='vepa'><interface dev='eno1'/></forward>"
NIC = (
    "<domain><name>web</name><devices><interface type='network'><mac address='52:54:00:00:00:01'/>"
    "<source network='prod'/><target dev='macvtap0'/></interface></devices></domain>"
)


def planned(runs: bool = False, there: bool = True, here: bool = True, **options: Any) -> Plan:
    tree = xmltree.parse(f"{NETWORK}</network>")
    facts = {"state": "active", "autostart": True, "persistent": True}
    nic, state = xmltree.parse(NIC), "running" if runs else "stopped"
    of_vm = {"state": state, "autostart": False, "persistent": True}
    vms = {"web": Have("vm", "web", nic, nic if runs else None, of_vm)}
    haves = {"prod": Have("vswitch", "prod", tree, tree, facts)} if there else {}
    answers = {
        ("interfaces",): {"eno1": Interface(), "eno2": Interface()},
        ("links",): {},
        ("routes",): [],
    }
    of_host = {**worlds.HERE, **answers} if here else answers
    world = worlds.world({"vswitch": haves, "vm": vms}, of_host)
    [wanted] = KIND.parse({**GIVEN, **options})
    return KIND.plan(wanted, world.will_be("vswitch", "prod"), world)


def test_another_device_waits_for_the_next_start() -> None:
    plan = planned(runs=True, devices=["eno2"])
    assert rows(plan) == {"devices": (["eno1"], ["eno2"])}
    assert plan.changes[0].effect == RESTART
    assert rows(planned(devices=["eno2"], apply="restart"))["state"]


def test_nics_that_run_stay_where_they_are() -> None:
    with pytest.raises((FleetError, FleetErrors), match="stay on the devices of the host"):
        planned(runs=True, devices=["eno2"], apply="restart")


def test_a_device_that_the_host_has_not_is_refused_where_it_can_be_seen() -> None:
    with pytest.raises(FleetErrors, match="devices: the host has no interface eno7"):
        planned(devices=["eno1", "eno7"])
    assert planned(devices=["eno1", "eno7"], here=False).changed
    with pytest.raises(FleetErrors, match="physical_function: the host has no interface eno7"):
        planned(there=False, type="hostdev", physical_function="eno7")


def test_a_network_of_functions_has_no_mac_and_takes_them_from_the_host() -> None:
    made = planned(there=False, type="hostdev", virtual_functions=["0000:03:10.1"]).after.stored
    assert made is not None and made.find("mac") is None and made.find("bridge") is None
    assert xmltree.get(made, "forward/@managed") == "yes"
