"""Changes by themselves: there and back, and what of them has no way back."""

from __future__ import annotations

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine.changes import (
    HOTPLUG,
    LIVE,
    RESTART,
    STORED,
    Along,
    Came,
    Change,
    Changed,
    Kept,
    Lost,
    Made,
    Mended,
    NoUndo,
    Removed,
    Restarted,
    Stepped,
    TakenUp,
    Went,
    WentAlong,
    applied,
    made_of,
)
from ansible_collections.kvm.fleet.plugins.module_utils.engine.comparing import compare
from ansible_collections.kvm.fleet.plugins.module_utils.engine.keys import ABSENT, PRESENT, Values
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import (
    CREATE,
    UPDATE,
    Have,
    Plan,
    Wanted,
)
from ansible_collections.kvm.fleet.plugins.module_utils.engine.traits import STATE

WEB, COUNT, ROOT = "vm/web", ("cpu", "count"), ("disks", "root")
STORED_VALUES: Values = {
    COUNT: 2,
    ("title",): None,
    ROOT: PRESENT,
    (*ROOT, "source"): {"file": "/a"},
    (*ROOT, "limits", "read_iops"): 0,
    ("nics", "lan"): PRESENT,
    ("nics", "lan", "mac"): "52:54:00:00:00:01",
}


def plan_of(*changes: Change, action: str = UPDATE) -> Plan:
    have = Have("vm", "web")
    return Plan(Wanted("vm", "web", PRESENT), action, have, have, changes)


def test_undone_changes_lead_back() -> None:
    want: Values = {
        COUNT: 4,
        ("title",): "Web",
        ROOT: ABSENT,
        ("disks", "data"): PRESENT,
        ("disks", "data", "source"): {"file": "/b"},
        (*("nics", "lan"), "mac"): "52:54:00:00:00:02",
    }
    changes = compare(WEB, want, STORED_VALUES, None, lambda *_: RESTART)
    after = applied(STORED_VALUES, changes)
    assert after[COUNT] == 4 and ROOT not in after and (*ROOT, "source") not in after
    assert after["disks", "data", "source"] == {"file": "/b"}
    back = [change for change in plan_of(*changes).undo() if isinstance(change, Change)]
    was = {key: value for key, value in STORED_VALUES.items() if value is not None}
    assert applied(after, back) == was


@pytest.mark.parametrize(
    ("change", "effect"),
    [
        (Changed(WEB, COUNT, 1, 2, STORED, 1), STORED),
        (Changed(WEB, COUNT, 1, 2, LIVE, 1), LIVE),
        (Changed(WEB, COUNT, 1, 2, RESTART, 1), STORED),  # it still runs with 1
        (Changed(WEB, COUNT, 1, 2, RESTART, 3), RESTART),
        (Came(WEB, ROOT, ABSENT, {"bus": "virtio"}, HOTPLUG, ABSENT), HOTPLUG),
        (Went(WEB, ROOT, {"bus": "sata"}, ABSENT, RESTART, {"bus": "sata"}), STORED),
        (Stepped(WEB, STATE, "stopped", "running", LIVE), LIVE),
    ],
)
def test_what_has_not_reached_what_runs_is_taken_back_in_what_is_stored(
    change: Change, effect: str
) -> None:
    back = change.undo()
    assert isinstance(back, Change)
    assert (back.before, back.after, back.effect) == (change.after, change.before, effect)


def test_each_type_has_its_reverse() -> None:
    comes = Came(WEB, ROOT, ABSENT, {}, fields={(*ROOT, "bus"): "virtio"})
    goes = comes.undo()
    assert isinstance(goes, Went) and goes.undo() == comes
    made = Made("storage_pool/p", STATE, ABSENT, "active", LIVE)
    assert isinstance(made.undo(), Removed)
    along = WentAlong(WEB, ("other_graphics",), {"type": "vnc"}, ABSENT)
    assert isinstance(along.undo(), Along)


@pytest.mark.parametrize(
    "change",
    [
        Removed(WEB, STATE, "stopped"),
        Restarted(WEB, ("power",), "running"),
        Lost(WEB, ("nvram",), "/nvram/web.fd"),
        Mended(WEB, ("power",), "restarting", "stopped"),
        TakenUp("storage_pool/p", ("path",), "/a", "/b"),
        Stepped(WEB, STATE, "running", "stopped", LIVE, final="its memory is gone"),
        Changed("storage_volume/p/v", ("capacity",), "1GiB", "2GiB", LIVE, final="it would shrink"),
    ],
)
def test_what_has_no_way_back_says_why(change: Change) -> None:
    no = change.undo()
    assert isinstance(no, NoUndo) and no.reason and no.field == change.field


def test_what_is_kept_needs_no_undo_and_is_no_change() -> None:
    kept = Kept(WEB, ("nvram",), "/nvram/web.fd")
    assert plan_of(kept).undo() == [] and not kept.counts
    assert applied(STORED_VALUES, [kept]) == STORED_VALUES


def test_what_was_made_goes_as_a_whole() -> None:
    changes = made_of(WEB, {COUNT: 2, ROOT: PRESENT})
    assert [type(change) for change in changes] == [Changed, Came]
    (back,) = plan_of(*changes, action=CREATE).undo()
    assert isinstance(back, Removed) and applied({COUNT: 2}, [back]) == {}


def test_a_change_knows_what_it_is_of() -> None:
    change = Changed(WEB, (*ROOT, "limits", "read_iops"), 0, 5)
    assert change.is_of("disks") and not change.is_of("nics")
    assert change.thing_in("disks") == "root" and change.thing_in("nics") == ""
