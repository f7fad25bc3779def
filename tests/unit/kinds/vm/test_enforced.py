"""What the kernel does not hold of a running VM's promise is a change, which mends it."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine.changes import LIVE, RESTART
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import Have, Plan
from ansible_collections.kvm.fleet.plugins.module_utils.engine.promises import GIB, Capacity, Policy
from ansible_collections.kvm.fleet.plugins.module_utils.engine.xmltree import parse
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.together.kept import kept
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.promised import promise_of
from ansible_collections.kvm.fleet.plugins.module_utils.run import host_config
from ansible_collections.kvm.fleet.plugins.module_utils.run.planning import plan_all
from support import worlds

DOMAIN = """
<domain type="kvm">
  <name>web</name>
  <uuid>00000000-0000-4000-8000-000000000001</uuid>
  <metadata><fleet:resource xmlns:fleet="urn:kvm.fleet:1">{reservation}</fleet:resource></metadata>
  <memory unit="KiB">1048576</memory>
  <currentMemory unit="KiB">1048576</currentMemory>
  <vcpu>4</vcpu>
  <os><type arch="x86_64" machine="q35">hvm</type></os>
  <devices/>
</domain>
"""
BOTH = '<fleet:reservation cpu="1" memory="524288"/>'
SCOPE = "vm/web: memory.min is 0, promised is 579862528"
SLICE = "machine.slice: memory.min is 0, promised is 579862528"
WEIGHT = "vm/web: cpu.weight is 100, promised is 120"
HERE = {"uri": "qemu:///system"}
KEPT: dict[str, Any] = {
    "policy": Policy()._asdict(),
    "error": "",
    "hook": {"installed": "1a2b", "called": True},
    "cgroup": 2,
    "systemd": True,
    "faults": [],
}


def plan(
    reservation: str = BOTH,
    lacks: tuple[str, ...] = (),
    noted: dict[str, Any] | None = None,
    told: dict[str, Any] | None = None,
    state: str = "running",
    host: dict[str, Any] | None = None,
    **declared: Any,
) -> tuple[Plan, set[str]]:
    """The plan for a VM with these, and which facts were asked for."""
    tree = parse(DOMAIN.format(reservation=reservation))
    facts = {"state": state, "autostart": False, "persistent": True}
    have = Have("vm", "web", tree, None if state == "stopped" else tree, facts)
    note = {**promise_of(tree)._asdict(), "cpus": [], **(noted or {})}
    held = {"web": {"scope": "/s", "noted": None if noted == {} else note, "lacks": [*lacks]}}
    world = worlds.world(
        {"vm": {"web": have}},
        {
            ("promises",): {**KEPT, **(told or {})},
            ("held",): held,
            ("capacity",): Capacity((0, 1, 2, 3), 8 * GIB),
            **{(fact,): answer for fact, answer in {**HERE, **(host or {})}.items()},
        },
    )
    said = {"name": "web", "state": "present", **declared}
    spec = {**dict.fromkeys(host_config.SPEC), "prune": False, "vms": [said]}
    [found] = plan_all(world, host_config.parse(spec), rules_of_changes=lambda: (kept,))
    return found, {fact[0] for fact in world.facts.answers()}


def changes(*args: Any, **more: Any) -> dict[str, str]:
    found, _asked = plan(*args, **more)
    assert all(change.effect == LIVE for change in found.changes)
    return {".".join(change.field): change.note for change in found.changes}


def test_what_is_held_is_no_change() -> None:
    found, asked = plan()
    assert not found.changed
    assert "held" in asked


def test_what_is_not_held_is_a_change_of_its_option_with_what_the_kernel_has() -> None:
    assert changes(lacks=(SLICE, SCOPE, WEIGHT)) == {
        "memory.reservation": f"{SLICE}; {SCOPE}",
        "cpu.reservation": WEIGHT,
    }
    [change] = plan(lacks=(SCOPE,))[0].changes
    assert (change.before, change.after) == ("not held", "512MiB")


@pytest.mark.parametrize("noted", [{}, {"reserved": 1}, {"cpu": 2000}, {"vcpus": 1}])
def test_a_promise_of_which_there_is_no_note_is_not_held(noted: dict[str, Any]) -> None:
    assert set(changes(noted=noted)) == {"cpu.reservation"}


def test_nothing_is_asked_without_a_promise_or_of_a_vm_that_does_not_run() -> None:
    for one in (plan(reservation=""), plan(state="stopped")):
        assert not one[0].changed
        assert not one[1] & {"held", "promises"}


def test_a_promise_that_changes_is_settled_as_a_whole() -> None:
    found, _asked = plan(lacks=(SCOPE,), memory={"reservation": "256MiB"})
    assert [".".join(one.field) for one in found.changes] == ["memory.reservation"]


@pytest.mark.parametrize("uri", ["qemu+ssh://far/system", "qemu+unix:///system?socket=/run/x"])
def test_on_another_machine_a_promise_waits_for_the_hook_there(uri: str) -> None:
    declared = {"memory": {"reservation": "256MiB"}, "cpu": {"reservation": 0}, "title": "web"}
    found, _asked = plan(host={"uri": uri}, **declared)
    assert {".".join(one.field): one.effect for one in found.changes} == {
        "title": LIVE,
        "cpu.reservation": RESTART,
        "memory.reservation": RESTART,
    }
    assert sum("only by libvirt's hook on its host" in one for one in found.warnings) == 1


def test_nothing_keeps_promises_of_vms_of_a_session() -> None:
    found, _asked = plan(host={"state_folder": "/home/a/.config/libvirt"}, title="another")
    assert sum("VMs of a session" in one for one in found.warnings) == 1


def test_the_first_version_of_cgroups_holds_nothing() -> None:
    assert not plan(lacks=(SCOPE,), told={"cgroup": 1})[0].changed


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"cgroup": 1}, "count for admission only"),
        ({"hook": {"installed": "", "called": True}}, "kvm_host_reservations: true"),
        ({"hook": {"installed": "1a", "called": False}}, "looks for hooks only then"),
        ({}, ""),
    ],
)
def test_who_cannot_keep_a_promise_is_told_how_it_could(told: dict[str, Any], words: str) -> None:
    found, _asked = plan(told=told, title="another")
    said = [one for one in found.warnings if "reservations" in one]
    assert [words in one for one in said] == [True] * bool(words)
