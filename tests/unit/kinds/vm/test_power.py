"""The power of a VM without a host: which steps a plan takes, and before what."""

from __future__ import annotations

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.changes import Restarted
from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import FleetError
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import (
    UPDATE,
    Have,
    Plan,
    Wanted,
)
from ansible_collections.kvm.fleet.plugins.module_utils.engine.xmltext import MOVE_NS, RESTORE_NS
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm import power


def plan(now: str, after: str, restarts: bool = False) -> Plan:
    have, will = (Have("vm", "web", facts={"state": state}) for state in (now, after))
    changes = (Restarted("vm/web", power.POWER, now),) if restarts else ()
    return Plan(Wanted("vm", "web", after), UPDATE, have, will, changes)


@pytest.mark.parametrize(
    ("made", "waking", "then"),
    [
        (plan("running", "running"), (), ()),
        (plan("stopped", "running"), (), ("start",)),
        (plan("running", "stopped"), (), ("shutdown",)),
        (plan("running", "paused"), (), ("suspend",)),
        (plan("paused", "running"), ("resume",), ()),
        (plan("saved", "running"), ("start",), ()),
        (plan("saved", "paused"), ("start_paused",), ()),
        (plan("paused", "stopped"), (), ("resume", "shutdown")),
        (plan("crashed", "running"), (), ("switch_off", "start")),
    ],
)
def test_a_guest_is_woken_before_live_changes_and_stopped_after_them(
    made: Plan, waking: tuple[str, ...], then: tuple[str, ...]
) -> None:
    assert power.way_of(made) == power.Way(waking, then)


@pytest.mark.parametrize(
    ("made", "waking", "then"),
    [
        (plan("running", "running", restarts=True), (), ("shutdown", "start")),
        (plan("paused", "paused", restarts=True), (), ("resume", "shutdown", "start_paused")),
        (plan("paused", "running", restarts=True), ("resume",), ("shutdown", "start")),
        (plan("saved", "running", restarts=True), ("start",), ("shutdown", "start")),
    ],
)
def test_a_restart_goes_through_off(
    made: Plan, waking: tuple[str, ...], then: tuple[str, ...]
) -> None:
    assert power.way_of(made) == power.Way(waking, then)


def test_there_is_no_way_to_save_what_is_off() -> None:
    with pytest.raises(FleetError, match="cannot become saved"):
        power.way_of(plan("stopped", "saved"))


def test_what_a_move_has_stopped_may_run_elsewhere() -> None:
    note = f"<x:move xmlns:x='{MOVE_NS}' uuid='{{}}' from='kvm1' to='kvm2'/>"
    text = "<domain><uuid>u</uuid><metadata>{}</metadata></domain>"
    noted, of_a_clone = (
        Have("vm", "web", xmltree.parse(text.format(note.format(uuid)))) for uuid in ("u", "other")
    )
    with pytest.raises(FleetError, match="from kvm1 to kvm2 that is not over"):
        power.check_alone("paused", noted)
    power.check_alone("stopped", noted)
    power.check_alone("paused", of_a_clone)


def barred(image: str, of: str) -> Have:
    """A VM with an image, and with the note of a VM that is being restored."""
    note = f"<metadata><x:restore xmlns:x='{RESTORE_NS}' uuid='{of}'/></metadata>"
    devices = f"<devices><disk><source file='{image}'/></disk></devices>"
    return Have("vm", "web", xmltree.parse(f"<domain><uuid>u</uuid>{note}{devices}</domain>"))


def test_what_a_restore_has_barred_is_not_touched() -> None:
    have = barred("/srv/a.qcow2.restoring", of="u")
    with pytest.raises(FleetError, match="vm_restore"):
        power.check_whole("stopped", have)
    power.check_whole("running", have)


def test_what_nobody_restores_is_no_concern_of_a_restore() -> None:
    power.check_whole("stopped", barred("/srv/a.qcow2.restoring", of="another"))  # a clone
    power.check_whole("stopped", barred("/srv/a.qcow2", of="u"))  # mended by hand
