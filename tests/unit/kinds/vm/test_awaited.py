"""What is waited for, what could never come, and what is said of a guest that does not come."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import Mistakes
from ansible_collections.kvm.fleet.plugins.module_utils.engine.keys import PRESENT
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import Have, Plan, Wanted
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm import awaited
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.arriving import (
    Reached,
    Seen,
    given_up,
    reached,
)

SOURCES = ("lease", "agent", "arp", "declared")
NIC = {("nics", "lan"): PRESENT}
CHANNEL = {("channels", awaited.AGENT_CHANNEL): PRESENT}


def entry(address: str, *sources: str) -> dict[str, Any]:
    return {"nic": "lan", "address": address, "sources": list(sources)}


def plan(state: str, wait_for: str | None = "ssh", before: str = "stopped") -> Plan:
    wanted = Wanted("vm", "web", state, options={"wait_for": wait_for})
    have, after = (Have("vm", "web", facts={"state": one}) for one in (before, state))
    return Plan(wanted, "update", have, after)


@pytest.mark.parametrize(
    ("state", "wait_for", "awaits"),
    [
        ("running", "ssh", "ssh"),
        ("running", None, ""),
        ("paused", "ssh", ""),
        ("stopped", "ssh", ""),
        ("absent", "ssh", ""),
    ],
)
def test_only_of_what_is_to_run_something_is_awaited(
    state: str, wait_for: str | None, awaits: str
) -> None:
    assert awaited.awaited_by(plan(state, wait_for)) == awaits


def test_what_ran_before_does_not_begin() -> None:
    assert awaited.begins(plan("running"))
    assert not awaited.begins(plan("running", before="running"))


@pytest.mark.parametrize(
    ("what", "after", "said"),
    [
        ("address", NIC, ""),
        ("ssh", NIC, ""),
        ("agent", CHANNEL, ""),
        ("address", {}, "the VM has no NIC"),
        ("ssh", CHANNEL, "the VM has no NIC"),
        ("agent", NIC, "declare agent: true"),
    ],
)
def test_what_could_never_come_is_a_mistake(what: str, after: Any, said: str) -> None:
    for state, expected in (("running", said), ("stopped", "")):
        mistakes = Mistakes("vm/web")
        awaited.check({"wait_for": what}, state, after, mistakes)
        assert [expected in str(error) for error in mistakes.errors] == [True] * bool(expected)


@pytest.mark.parametrize(("seconds", "wrong"), [(1, 0), (0, 1), (-5, 1)])
def test_a_time_is_one(seconds: int, wrong: int) -> None:
    mistakes = Mistakes("vm/web")
    awaited.check_declared({"wait_timeout_s": seconds}, mistakes)
    assert len(mistakes.errors) == wrong


LEASED = (entry("192.0.2.10", "lease"),)
KEPT = (entry("192.0.2.7", "declared"),)


@pytest.mark.parametrize(
    ("what", "seen", "there"),
    [
        ("address", Seen("running", "none", LEASED), Reached("192.0.2.10")),
        ("address", Seen("running", "none", (entry("fe80::1", "agent"),)), None),
        ("address", Seen("running", "none", KEPT), None),
        ("address", Seen("running"), None),
        ("agent", Seen("running", "connected", ()), Reached(None)),
        ("agent", Seen("running", "connected", LEASED), Reached("192.0.2.10")),
        ("agent", Seen("running", "unresponsive", LEASED), None),
        ("agent", Seen("running", "disconnected", LEASED), None),
        ("ssh", Seen("running", "none", LEASED, {"192.0.2.10": "Connection refused"}), None),
        ("ssh", Seen("running", "none", LEASED, {"192.0.2.10": ""}), Reached("192.0.2.10")),
        ("ssh", Seen("running", "none", KEPT, {"192.0.2.7": ""}), Reached("192.0.2.7")),
        (
            "ssh",
            Seen("running", "", (*LEASED, *KEPT), {"192.0.2.10": "no", "192.0.2.7": ""}),
            Reached("192.0.2.7"),
        ),
    ],
)
def test_when_it_is_there(what: str, seen: Seen, there: Reached | None) -> None:
    assert reached(what, seen, SOURCES) == there


def test_what_is_said_of_one_that_does_not_come() -> None:
    seen = Seen("running", "none", LEASED, {"192.0.2.10": "Connection refused"})
    said = given_up("ssh", seen, 300)
    for part in (
        "is made and runs",
        "within 300 s",
        "no channel for a guest agent",
        "192.0.2.10 (lease)",
        "192.0.2.10 port 22: Connection refused",
        "wait_timeout_s",
    ):
        assert part in said
    assert "no addresses" in given_up("address", Seen("running", "disconnected"), 5)


def test_one_that_ended_is_told_as_such() -> None:
    assert "it became stopped" in given_up("ssh", Seen("stopped"), 300)
