"""A VM that is saved, and woken by the plan that changes it."""

from __future__ import annotations

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine.changes import LIVE, RESTART
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import Have, Plan
from ansible_collections.kvm.fleet.plugins.module_utils.engine.xmltree import parse
from ansible_collections.kvm.fleet.plugins.module_utils.run import host_config
from ansible_collections.kvm.fleet.plugins.module_utils.run.planning import plan_all
from support import worlds

DOMAIN = """<domain type="kvm"><name>web</name><uuid>00000000-0000-4000-8000-000000000001</uuid>
<memory unit="KiB">1048576</memory><currentMemory unit="KiB">1048576</currentMemory><vcpu>1</vcpu>
<os><type arch="x86_64" machine="q35">hvm</type></os><devices/></domain>"""
# What control groups would say, which nobody can ask before it is woken.
TUNED_BY_NONE = {("controllers", "web"): []}


def plan(is_now: str, state: str) -> tuple[Plan, set[str]]:
    tree = parse(DOMAIN)
    facts = {"state": is_now, "autostart": False, "persistent": True}
    there = {"vm": {"web": Have("vm", "web", tree, tree, facts)}}
    world = worlds.world(there, TUNED_BY_NONE)
    said = {"name": "web", "state": state, "cpu": {"limit": 0.5}, "memory": {"limit": "2GiB"}}
    spec = {**dict.fromkeys(host_config.SPEC), "prune": False, "vms": [said]}
    [found] = plan_all(world, host_config.parse(spec))
    return found, {fact[0] for fact in world.facts.answers()}


@pytest.mark.parametrize("state", ["running", "paused"])
def test_what_is_woken_is_tuned_at_once_without_being_asked(state: str) -> None:
    found, asked = plan("saved", state)
    effects = {change.field: change.effect for change in found.changes if change.field[1:]}
    assert effects == {("cpu", "limit"): LIVE, ("memory", "limit"): LIVE}
    assert "controllers" not in asked


@pytest.mark.parametrize(("is_now", "state"), [("saved", "present"), ("running", "running")])
def test_what_stays_saved_and_what_cannot_be_tuned_waits(is_now: str, state: str) -> None:
    found, asked = plan(is_now, state)
    assert {change.effect for change in found.changes} == {RESTART}
    assert ("controllers" in asked) == (is_now == "running")
