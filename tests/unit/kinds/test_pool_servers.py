"""A pool whose server does not answer is refused before libvirt waits for it."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import FleetErrors
from ansible_collections.kvm.fleet.plugins.module_utils.engine.facts import Fact
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import Have, Plan
from ansible_collections.kvm.fleet.plugins.module_utils.engine.world import World
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.storage_pool.kind import KIND
from support import worlds

SHARE = {"type": "netfs", "path": "/srv/shared", "source": {"host": "nas", "path": "/vms"}}
ISCSI = {"type": "iscsi", "source": {"host": "nas", "device": "iqn.2026-01.com.example:vms"}}
SILENT = "timed out"


def shared(**source: Any) -> dict[str, Any]:
    return {**SHARE, "source": {**SHARE["source"], **source}}  # type: ignore[dict-item]


def planned(declared: dict[str, Any], answers: dict[str, str], on: Any = worlds.HERE) -> Plan:
    """The plan for a new pool, where the server answers so on its ports."""
    return _planned(declared, world(answers, on))


def world(answers: dict[str, str], on: Any = worlds.HERE) -> World:
    found: dict[Fact, Any] = {("reaches", "nas", port): how for port, how in answers.items()}
    return worlds.world({}, {**on, ("file", "/srv/shared"): None, **found})


def _planned(declared: dict[str, Any], of: World) -> Plan:
    [wanted] = KIND.parse({"name": "far", "state": "active", "build": True, **declared})
    return KIND.plan(wanted, Have("storage_pool", "far"), of)


@pytest.mark.parametrize(
    ("declared", "answers", "says"),
    [
        (SHARE, {"2049": SILENT, "111": SILENT}, "nas does not answer on port 2049 (timed out)"),
        (shared(format="cifs"), {"445": "closed"}, "port 445 (it refuses connections)"),
        (ISCSI, {"3260": "No route to host"}, "port 3260 (No route to host)"),
    ],
)
def test_a_server_that_does_not_answer_is_told(
    declared: dict[str, Any], answers: dict[str, str], says: str
) -> None:
    with pytest.raises(FleetErrors) as caught:
        planned(declared, answers)
    [error] = caught.value.errors
    assert (error.field, says in str(error)) == ("source.host", True), str(error)


@pytest.mark.parametrize(
    ("declared", "answers"),
    [
        (SHARE, {"2049": "open"}),
        # Of an older NFS another port tells where it is.
        (SHARE, {"2049": "closed", "111": "open"}),
        (ISCSI, {"3260": "open"}),
        ({**ISCSI, "state": "inactive"}, {"3260": SILENT}),
    ],
)
def test_a_server_that_answers_or_is_not_needed_is_not(
    declared: dict[str, Any], answers: dict[str, str]
) -> None:
    assert planned(declared, answers).warnings == ()


def test_from_another_machine_nobody_can_tell() -> None:
    assert planned(SHARE, {"2049": SILENT, "111": SILENT}, on={}).changes


def test_check_mode_assumes_that_a_server_will_answer() -> None:
    [wanted] = KIND.parse({"name": "far", "state": "active", "build": True, **ISCSI})
    of = world({"3260": SILENT})
    of.assume_on_host = True
    plan = KIND.plan(wanted, Have("storage_pool", "far"), of)
    assert "the plan assumes that it will" in str(plan.warnings)
