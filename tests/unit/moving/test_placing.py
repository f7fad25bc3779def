"""Where VMs go: the first host with room, in an order that surprises nobody, so many at once."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine.promises_held import (
    GIB,
    MIB,
    Pool,
    Vm,
)
from ansible_collections.kvm.fleet.plugins.module_utils.engine.promises_policy import (
    Capacity,
    Policy,
)
from ansible_collections.kvm.fleet.plugins.module_utils.moving.placing import (
    SHUTDOWN,
    STAY,
    Guest,
    Limits,
    Placed,
    Refused,
    Room,
    in_order,
    placed,
    table,
    waves,
)

SMALL = Capacity(cpus=(0, 1, 2, 3), memory=9 * GIB)


def vm(name: str, memory: int = GIB, **more: int) -> Vm:
    return Vm(name, memory=memory, **more)


def guest(name: str, memory: int = GIB, running: bool = True, wish: str = "migrate") -> Guest:
    return Guest(name, "kvm1", vm(name, memory), running, wish)


def nothing_against(_guest: Guest, _host: str) -> Sequence[str]:
    return ()


def test_each_goes_to_the_first_host_that_has_room() -> None:
    rooms = [Room("kvm2", SMALL, vms=(vm("there", 5 * GIB),)), Room("kvm3", SMALL)]
    guests = [guest("a", 3 * GIB), guest("b", 3 * GIB), guest("c", 4 * GIB), guest("d", 2 * GIB)]
    found = placed(guests, rooms, nothing_against)
    assert found.moves == (
        Placed("a", "kvm1", "kvm2"),
        Placed("b", "kvm1", "kvm3"),
        Placed("c", "kvm1", "kvm3"),
    )
    [refused] = found.refused
    assert refused.name == "d"
    assert [one.partition(":")[0] for one in refused.reasons] == ["kvm2", "kvm3"]
    assert "with 2GiB more; at most 1 are allowed" in refused.reasons[0]


def test_more_memory_than_there_is_only_where_that_is_allowed() -> None:
    rooms = [Room("kvm2", SMALL)]
    found = placed([guest("a", 12 * GIB)], rooms, nothing_against, memory_ratio=1.5)
    assert found.moves == (Placed("a", "kvm1", "kvm2"),)


def test_what_does_not_run_takes_no_room() -> None:
    stopped = [guest(name, 8 * GIB, running=False) for name in "abc"]
    assert len(placed(stopped, [Room("kvm2", SMALL)], nothing_against).moves) == 3


def test_promises_of_the_target_are_kept() -> None:
    asks = Guest("db", "kvm1", vm("db", GIB, cpu=2000))
    busy = Room("kvm2", SMALL, vms=(vm("there", GIB, cpu=3000),))
    [refused] = placed([asks], [busy], nothing_against).refused
    assert refused.reasons[0].startswith("kvm2: 2 cores cannot be promised")
    lenient = busy._replace(policy=Policy(admission="warn"))
    assert placed([asks], [lenient], nothing_against).moves


def test_those_that_were_placed_count_for_those_that_follow() -> None:
    pool = Pool("gold", memory=3 * GIB)
    room = Room("kvm2", SMALL, pools=(pool,))
    guests = [Guest(n, "kvm1", Vm(n, pool="gold", memory=2 * GIB, reserved=2 * GIB)) for n in "ab"]
    found = placed(guests, [room], nothing_against)
    assert [one.name for one in found.moves] == ["a"]
    assert "resource_pool/gold lacks" in found.refused[0].reasons[0]


def test_the_pre_flight_sends_on_to_the_next_host_and_says_why_there_is_none() -> None:
    against = {("a", "kvm2"): ["no pool fast"], ("b", "kvm2"): ["x"], ("b", "kvm3"): ["y", "z"]}
    asked = []

    def asks(guest: Guest, host: str) -> Sequence[str]:
        asked.append((guest.name, host))
        return against.get((guest.name, host), ())

    rooms = [Room("kvm2", SMALL), Room("kvm3", SMALL), Room("kvm4", Capacity((0,), 600 * MIB))]
    found = placed([guest("a"), guest("b")], rooms, asks)
    assert found.moves == (Placed("a", "kvm1", "kvm3"),)
    assert found.refused[0].reasons[:3] == ("kvm2: x", "kvm3: y", "kvm3: z")
    assert ("b", "kvm4") not in asked, "who has no room is not asked"


def test_wishes_are_heeded_and_nothing_is_known_of_some_hosts() -> None:
    guests = [guest("a", wish=STAY), guest("b", wish=SHUTDOWN), guest("c")]
    found = placed(guests, [Room("kvm2", None)], nothing_against)
    assert (found.stays, found.shutdowns) == (("a",), ("b",))
    assert found.refused == (Refused("c", ("kvm2: what it has is not known",)),)
    assert placed([guest("c")], [], nothing_against).refused == (
        Refused("c", ("no host is named that could take it",)),
    )


def test_the_order_does_not_go_by_who_lists_them() -> None:
    guests = [guest("z", 4 * GIB), guest("b"), guest("a"), guest("off", 9 * GIB, running=False)]
    names = [one.name for one in in_order(guests)]
    assert names == [one.name for one in in_order(guests[::-1])] == ["z", "a", "b", "off"]
    assert [one.name for one in in_order(guests, ["off", "b"])] == ["off", "b", "z", "a"]


@pytest.mark.parametrize(
    ("limits", "names"),
    [
        (Limits(1, 1), ["a", "b", "c", "d"]),
        (Limits(2, 1), ["ac", "bd"]),
        (Limits(4, 2), ["abcd"]),
        (Limits(3, 9), ["abc", "d"]),
    ],
)
def test_so_many_move_at_once(limits: Limits, names: list[str]) -> None:
    moves = [Placed(name, "kvm1", host) for name, host in zip("abcd", ("k2", "k2", "k3", "k3"))]
    assert ["".join(one.name for one in wave) for wave in waves(moves, limits)] == names


def test_a_line_says_what_becomes_of_each() -> None:
    guests = [guest("web", 2 * GIB), guest("old", running=False), guest("db", wish=SHUTDOWN)]
    guests += [guest("keep", wish=STAY), guest("big", 9 * GIB)]
    found = placed(guests, [Room("kvm2", SMALL)], nothing_against)
    lines = table(found, Limits(), {one.name: one for one in guests})
    assert lines[:6] == [
        "VM    memory  from  to",
        "web   2GiB    kvm1  kvm2  turn 1",
        "old   1GiB    kvm1  kvm2  turn 1, does not run",
        "db    1GiB    kvm1  -     is shut down",
        "keep  1GiB    kvm1  -     stays",
        "big   9GiB    kvm1  -     cannot go",
    ]
    assert lines[6].startswith("big: kvm2: its VMs would have ")
