# SPDX-License-Identifier: GPL-3.0-or-later
"""Power: the steps from the state that a VM is in to the one that is wanted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ...engine import xmltree
from ...engine.errors import FleetError
from ...engine.plan import Have, Plan
from ...engine.xmltree import Element
from .definition import is_barred
from .states import CRASHED, MOVES, PAUSED, RUNNING, SAVED, STOPPED

POWER = ("power",)  # as what a plan shows a restart
PRESENT = "present"  # defined, its power left as it is

START, START_PAUSED, SHUTDOWN = "start", "start_paused", "shutdown"
SUSPEND, RESUME, SAVE = "suspend", "resume", "save"
SWITCH_OFF = "switch_off"

# A stopped guest has nothing to save, and a saved one is woken to be shut down in order: what it
# holds in memory is never thrown away. A crashed one (on_crash: preserve) is dead and still there.
STEPS = {
    (STOPPED, RUNNING): (START,),
    (CRASHED, RUNNING): (SWITCH_OFF, START),
    (SAVED, RUNNING): (START,),
    (PAUSED, RUNNING): (RESUME,),
    (STOPPED, PAUSED): (START_PAUSED,),
    (CRASHED, PAUSED): (SWITCH_OFF, START_PAUSED),
    (CRASHED, STOPPED): (SWITCH_OFF,),
    (SAVED, PAUSED): (START_PAUSED,),
    (RUNNING, PAUSED): (SUSPEND,),
    (RUNNING, STOPPED): (SHUTDOWN,),
    (PAUSED, STOPPED): (RESUME, SHUTDOWN),
    (SAVED, STOPPED): (START, SHUTDOWN),
    (RUNNING, SAVED): (SAVE,),
    (PAUSED, SAVED): (SAVE,),
}


def steps(now: str, want: str) -> tuple[str, ...]:
    """The steps to a wanted state. FleetError when there is no way."""
    if want in (PRESENT, now):
        return ()
    if (now, want) not in STEPS:
        raise FleetError(
            f"a VM that is {now} cannot become {want}; only a running one has anything to save",
            field="state",
        )
    return STEPS[(now, want)]


def check_free(now: str, have: Have, steps: Iterable[str]) -> None:
    """Nothing that another run of this collection began, and did not end, is in the way."""
    if steps:
        check_alone(now, have)
    check_whole(now, have)


def check_alone(now: str, have: Have) -> None:
    """A guest that stands still may run elsewhere already, where a move of it was cut off."""
    if now != PAUSED or have.stored is None:
        return
    note = xmltree.find(have.stored, MOVES)
    if note is not None and note.get("uuid") == xmltree.get(have.stored, "uuid"):
        raise FleetError(
            f"is paused, and a move from {note.get('from')} to {note.get('to')} that is not over "
            "is noted in it: the guest may run there. Have kvm.fleet.migration end it (host: where "
            "the VM is to live), which looks at both; then run again",
            field="state",
        )


def check_whole(now: str, have: Have) -> None:
    """A VM whose restore was cut off has disks that are half of them the former ones."""
    if now == STOPPED and have.stored is not None and is_barred(have.stored):
        raise FleetError(
            "is being restored from a backup, which is not over: its disks are not in their places "
            "yet. Run the task of kvm.fleet.vm_restore again, which ends it; then this one",
            field="disks",
        )


def wakes(now: str, want: str) -> bool:
    """Whether the steps only wake what is there, so that live changes can be made after them."""
    return now in (PAUSED, SAVED) and want in (RUNNING, PAUSED) and now != want


@dataclass(frozen=True)
class Way:
    """The steps of a plan: those before its live changes are made, and those after them."""

    waking: tuple[str, ...]
    then: tuple[str, ...]


def way_of(plan: Plan) -> Way:
    """The steps of a plan for a VM that is to be there."""
    now, after = plan.have.facts.get("state", STOPPED), plan.after.facts["state"]
    waking = steps(now, after) if wakes(now, after) else ()
    reached = after if waking else now
    restarts = any(change.restarts for change in plan.changes)
    return Way(waking, restart(reached, after) if restarts else steps(reached, after))


def final(steps: Iterable[str]) -> str:
    """Why nothing leads back from the steps, where that is so."""
    ends = {SHUTDOWN, SWITCH_OFF} & set(steps)
    return "what its guest held in memory is gone" if ends else ""


def restart(now: str, want: str) -> tuple[str, ...]:
    """The steps by which stored changes take effect; none where nothing is to run after them."""
    off = {RUNNING: (SHUTDOWN,), PAUSED: (RESUME, SHUTDOWN), SAVED: (START, SHUTDOWN)}
    on = {RUNNING: START, PAUSED: START_PAUSED}
    after = now if want == PRESENT else want
    return (*off[now], on[after]) if now in off and after in on else ()


def notes(steps: Iterable[str], running: Element | None) -> Iterator[str]:
    """What a plan says of the steps. What starts anew where it is to end is kept from that."""
    yield from steps
    if SHUTDOWN in steps and running is not None and starts_anew(running):
        yield "on_poweroff is destroy for this once"


def starts_anew(running: Element) -> bool:
    """Whether a guest that is shut down begins again by itself: it would never be off."""
    return xmltree.get(running, "on_poweroff") == "restart"


def target(now: str, want: str, restarting: str | None) -> str:
    """The state to go to: a run that was interrupted while it restarted the VM is carried on."""
    return restarting if restarting and want == PRESENT and now in (STOPPED, CRASHED) else want
