"""What a run that failed in the midst is said to have done."""

from __future__ import annotations

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine.changes import (
    HOTPLUG,
    RESTART,
    Change,
    Went,
)
from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import FleetError
from ansible_collections.kvm.fleet.plugins.module_utils.engine.keys import PRESENT
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import (
    UPDATE,
    Have,
    Plan,
    Wanted,
)
from ansible_collections.kvm.fleet.plugins.module_utils.run.aftermath import _told
from ansible_collections.kvm.fleet.plugins.module_utils.run.done import Failed

ERROR = FleetError("the guest did not let it go", "vm/web", "disks.vdb")


def goes(name: str, effect: str = HOTPLUG) -> Change:
    return Went("vm/web", ("disks", name), PRESENT, effect=effect)


@pytest.mark.parametrize(
    ("left", "pending", "said"),
    [
        # What was to leave at once, and is still there: what is stored is without it.
        (
            (),
            ("vdb", "vdd"),
            "done: disks.vda, disks.vdc; waits for a restart: disks.vdb, disks.vdd",
        ),
        (("vdb",), ("vdb",), "done: disks.vda, disks.vdc, disks.vdd; not done: disks.vdb"),
        ((), ("vdc",), "done: disks.vda, disks.vdb, disks.vdc, disks.vdd"),
    ],
)
def test_what_stays_in_what_runs_is_not_done(
    left: tuple[str, ...], pending: tuple[str, ...], said: str
) -> None:
    planned = (goes("vda"), goes("vdb"), goes("vdc", RESTART), goes("vdd"))
    have = Have("vm", "web")
    plan = Plan(Wanted("vm", "web", PRESENT), UPDATE, have, have, planned)
    failed = Failed(plan, have, tuple(map(goes, left)), tuple(map(goes, pending)))
    again = "; run again when the cause is gone" if left or "restart" not in said else ""
    assert _told(ERROR, failed).message == f"{ERROR.message}; {said}{again}"
