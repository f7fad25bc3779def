"""Where a VM lives, and what a killed run left."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import FleetError
from ansible_collections.kvm.fleet.plugins.module_utils.engine.facts import Facts
from ansible_collections.kvm.fleet.plugins.module_utils.engine.move_facts import Identity
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import Have
from ansible_collections.kvm.fleet.plugins.module_utils.engine.recorded import Recorded
from ansible_collections.kvm.fleet.plugins.module_utils.engine.world import World
from ansible_collections.kvm.fleet.plugins.module_utils.moving.notes import (
    ARRIVED,
    COMING,
    Note,
    noted,
)
from ansible_collections.kvm.fleet.plugins.module_utils.moving.side import Side
from ansible_collections.kvm.fleet.plugins.module_utils.moving.unfinished import (
    FINISH,
    MOVE,
    NOTHING,
    Whereabouts,
    whereabouts,
)

IMAGE = "/srv/web.qcow2"
NOTE = Note("kvm1", "kvm2", "live")
OFFLINE = NOTE._replace(mode="offline")


def have(state: str, note: Note | None = None, uuid: str = "u-1", **facts: Any) -> Have:
    tree = xmltree.parse(
        f"<domain><name>web</name><uuid>{uuid}</uuid><devices><disk><source file='{IMAGE}'/>"
        "</disk></devices></domain>"
    )
    stored = noted(tree, note) if note is not None else tree
    return Have("vm", "web", stored, facts={"state": state, "persistent": True, **facts})


def look(
    half_made: bool = False,
    unreachable: str = "",
    post_copy: str = "",
    halted: str = "",
    identities: Mapping[str, str] | None = None,
    **hosts: Have,
) -> Whereabouts:
    sides = {}
    for name in ("kvm1", "kvm2", "kvm3"):
        volume = Have("storage_volume", "srv/web.qcow2", facts={"half-made": half_made})
        answers = {
            ("vm", "web"): hosts.get(name, Have("vm", "web")),
            ("volume_at", IMAGE): "srv/web.qcow2",
            ("storage_volume", "srv/web.qcow2"): volume,
            ("identity",): Identity((identities or {}).get(name, name), name),
            ("post_copy", "web"): name == post_copy,
            ("migratable", "web"): {"halted": "migrating"} if name == halted else {},
        }
        if name != unreachable:
            sides[name] = Side(name, "", "", World(Facts(Recorded(answers)), {}))
    missed = {unreachable: FleetError(f"cannot connect to {unreachable}")} if unreachable else {}
    return whereabouts(sides, "web", "kvm2", missed)


def refused(**said: Any) -> str:
    with pytest.raises(FleetError) as error:
        look(**said)
    return str(error.value)


def test_at_the_target_alone_there_is_nothing_to_do() -> None:
    assert look(kvm2=have("running")) == Whereabouts(NOTHING)
    assert look(kvm2=have("stopped"), unreachable="kvm3") == Whereabouts(NOTHING)


def test_at_one_other_it_is_to_move() -> None:
    assert look(kvm1=have("running")) == Whereabouts(MOVE, "kvm1")
    left = look(kvm1=have("running", NOTE))
    assert left == Whereabouts(MOVE, "kvm1", NOTE), "a killed run had only begun"


def test_on_none_it_is_an_error_that_names_them() -> None:
    assert "migration/web name: is on none of kvm1, kvm2, kvm3" in refused()
    assert "kvm3 cannot be reached: cannot connect" in refused(unreachable="kvm3")


def test_a_target_that_cannot_be_reached_is_an_error() -> None:
    assert refused(kvm1=have("running"), unreachable="kvm2") == "cannot connect to kvm2"


def test_on_several_it_is_an_error_that_says_what_each_has() -> None:
    said = refused(kvm1=have("running"), kvm2=have("stopped", uuid="u-2"))
    assert "kvm1 has it running (UUID u-1), kvm2 has it stopped (UUID u-2)" in said
    refused(kvm1=have("running"), kvm3=have("stopped"))
    refused(kvm1=have("running", NOTE), kvm2=have("stopped", NOTE), kvm3=have("stopped"))


def test_a_note_of_another_move_decides_nothing() -> None:
    other = Note("kvm3", "kvm2", "live")
    refused(kvm1=have("stopped"), kvm2=have("running", other))


def test_what_runs_at_the_target_has_moved() -> None:
    for state in ("stopped", "paused"):
        found = look(kvm1=have(state, NOTE), kvm2=have("running", NOTE), half_made=True)
        assert found == Whereabouts(FINISH, "kvm1", NOTE, ("srv/web.qcow2",))


def test_what_comes_in_has_not_yet_moved() -> None:
    """Another run moves it: to end the source now would lose the guest."""
    said = refused(kvm1=have("paused", NOTE), kvm2=have("paused", NOTE), halted="kvm2")
    assert "is on its way from kvm1 to kvm2" in said
    found = look(kvm1=have("paused", NOTE), kvm2=have("paused", NOTE))
    assert found.todo == FINISH, "somebody paused it there afterwards"


def test_what_was_stopped_for_a_move_goes_on_where_all_is_seen() -> None:
    found = look(kvm1=have("paused", NOTE), halted="kvm1")
    assert found == Whereabouts(MOVE, "kvm1", NOTE)
    back = Note("kvm2", "kvm3", "live")
    assert look(kvm2=have("paused", back), halted="kvm2").todo == FINISH
    said = refused(kvm2=have("paused", back), halted="kvm2", unreachable="kvm3")
    assert "may run at kvm3, which is not looked at" in said


def test_what_runs_on_both_is_for_a_person() -> None:
    said = refused(kvm1=have("running", NOTE), kvm2=have("running", NOTE))
    assert "noted as moving from kvm1 to kvm2" in said


def test_what_has_arrived_may_have_been_stopped_since() -> None:
    arrived = NOTE._replace(progress=ARRIVED)
    found = look(kvm1=have("stopped", NOTE), kvm2=have("stopped", arrived))
    assert found == Whereabouts(FINISH, "kvm1", arrived)


def test_what_is_stored_at_the_target_while_it_runs_at_the_source_is_a_leftover() -> None:
    assert look(kvm1=have("running", NOTE), kvm2=have("stopped", NOTE)) == Whereabouts(
        MOVE, "kvm1", NOTE
    )


def test_an_offline_move_that_did_not_arrive_begins_anew() -> None:
    assert look(kvm1=have("stopped", OFFLINE), kvm2=have("stopped", OFFLINE)).todo == MOVE


def test_live_and_stopped_on_both_nobody_knows_which_is_the_right_one() -> None:
    refused(kvm1=have("stopped", NOTE), kvm2=have("stopped", NOTE))


def test_at_the_target_alone_with_a_note_the_rest_is_to_be_done() -> None:
    arrived = NOTE._replace(progress=ARRIVED)
    assert look(kvm2=have("running", arrived)) == Whereabouts(FINISH, "", arrived)


@pytest.mark.parametrize("state", ["paused", "saved", "stopped"])
def test_what_stands_in_for_a_saved_vm_is_not_taken_for_it(state: str) -> None:
    assert look(kvm1=have("saved", OFFLINE), kvm2=have(state, OFFLINE)) == Whereabouts(
        MOVE, "kvm1", OFFLINE
    )
    said = refused(kvm2=have(state, OFFLINE), unreachable="kvm1")
    assert "the VM itself was at kvm1" in said and "virsh undefine --managed-save web" in said


@pytest.mark.parametrize("progress", [COMING, ARRIVED])
def test_one_host_by_two_names_has_one_vm(progress: str) -> None:
    """Nothing of it is a leftover, and nobody is told to undefine one of two."""
    vm = have("stopped", NOTE._replace(progress=progress, mode="offline"))
    said = refused(kvm1=vm, kvm2=vm, identities={"kvm1": "1", "kvm2": "1", "kvm3": "3"})
    assert "is on kvm1 and kvm2, which both have the host UUID 1" in said
    assert "undefine" not in said


@pytest.mark.parametrize("host", ["kvm1", "kvm2"])
def test_nobody_ends_one_half_of_a_vm_in_post_copy(host: str) -> None:
    said = refused(post_copy=host, kvm1=have("paused", NOTE), kvm2=have("running", NOTE))
    for part in ("in halves", "--postcopy-resume", "undefine it at kvm1", "start it at kvm2"):
        assert part in said
