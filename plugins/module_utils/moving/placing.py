# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the VMs of a host that is to be emptied go: first-fit over what other hosts have left.

Pure, and alone in deciding it: a planner over the whole fleet takes its place one day.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from ..engine.promises_held import Pool, Vm
from ..engine.promises_policy import STRICT, Capacity, Policy
from ..engine.promises_summed import free, refusals
from ..engine.units import format_size

MIGRATE, SHUTDOWN, STAY = "migrate", "shutdown", "stay"
WISHES = (MIGRATE, SHUTDOWN, STAY)

# What stands against a VM's move to a host, by its pre-flight; empty where nothing does.
Asks = Callable[["Guest", str], Sequence[str]]


class Guest(NamedTuple):
    """A VM that is to leave its host."""

    name: str
    source: str
    promise: Vm
    running: bool = True
    wish: str = MIGRATE


class Room(NamedTuple):
    """What a host that may take VMs has, and who holds of it."""

    name: str
    capacity: Capacity | None  # None: nobody could tell
    policy: Policy = Policy()
    pools: tuple[Pool, ...] = ()
    vms: tuple[Vm, ...] = ()

    def with_guest(self, guest: Guest) -> Room:
        """The same with one VM more."""
        return self._replace(vms=(*self.vms, guest.promise))


class Limits(NamedTuple):
    """How many moves there may be at once."""

    per_host: int = 2  # of which a host is the source or the target
    per_link: int = 2  # between the same two hosts


class Placed(NamedTuple):
    """A VM and where it goes."""

    name: str
    source: str
    host: str


class Refused(NamedTuple):
    """A VM that can go nowhere, and why, of each host that was asked."""

    name: str
    reasons: tuple[str, ...]


class Placing(NamedTuple):
    """What becomes of all VMs."""

    moves: tuple[Placed, ...] = ()
    shutdowns: tuple[str, ...] = ()
    stays: tuple[str, ...] = ()
    refused: tuple[Refused, ...] = ()


def placed(
    guests: Iterable[Guest], rooms: Sequence[Room], asks: Asks, memory_ratio: float = 1.0
) -> Placing:
    """Each VM in turn to the first host that has room for it and that it can move to."""
    now = {room.name: room for room in rooms}
    moves: list[Placed] = []
    refused: list[Refused] = []
    named: dict[str, list[str]] = {SHUTDOWN: [], STAY: []}
    for guest in guests:
        if guest.wish in named:
            named[guest.wish].append(guest.name)
            continue
        host, reasons = _first_fit(guest, now, asks, memory_ratio)
        if host:
            now[host] = now[host].with_guest(guest) if guest.running else now[host]
            moves.append(Placed(guest.name, guest.source, host))
        else:
            refused.append(Refused(guest.name, tuple(reasons)))
    return Placing(tuple(moves), tuple(named[SHUTDOWN]), tuple(named[STAY]), tuple(refused))


def _first_fit(
    guest: Guest, rooms: Mapping[str, Room], asks: Asks, memory_ratio: float
) -> tuple[str, list[str]]:
    """The host it goes to, or none and why. Who has no room is not asked for a pre-flight."""
    reasons: list[str] = []
    for name, room in rooms.items():
        against = lacks(guest, room, memory_ratio) or list(asks(guest, name))
        if not against:
            return name, []
        reasons += [f"{name}: {one}" for one in against]
    return "", reasons or ["no host is named that could take it"]


def lacks(guest: Guest, room: Room, memory_ratio: float) -> list[str]:
    """What a host lacks for one VM more. What does not run takes nothing of it."""
    if not guest.running:
        return []
    if room.capacity is None:
        return ["what it has is not known"]
    after = room.with_guest(guest)
    left = free(room.capacity, room.policy, after.pools, after.vms)
    found = []
    if left.memory_ratio > memory_ratio and not guest.promise.huge_page:
        found.append(
            f"its VMs would have {left.memory_ratio:g} times the memory that it has for them, with "
            f"{format_size(guest.promise.memory)} more; at most {memory_ratio:g} are allowed"
        )
    if room.policy.admission == STRICT:
        before = room.pools, room.vms
        asking = (guest.promise.resource,)
        told = refusals(room.capacity, room.policy, after.pools, after.vms, asking, before)
        found += [one.message.partition("\n")[0] for one in told]
    return found


# ---- in which order, and how many at once


def in_order(guests: Iterable[Guest], first: Sequence[str] = ()) -> list[Guest]:
    """Those that are named come first, as they are named. Then what runs before what does not, the
    largest first, which are the hardest to place; names decide between equals."""
    place = {name: at for at, name in enumerate(first)}

    def key(guest: Guest) -> tuple[int, bool, int, str]:
        at = place.get(guest.name, len(place))
        return at, not guest.running, -guest.promise.memory, guest.name

    return sorted(guests, key=key)


def waves(moves: Iterable[Placed], limits: Limits) -> list[list[Placed]]:
    """The moves that may go at once, one wave after the other; each in the first with a place."""
    found: list[list[Placed]] = []
    for move in moves:
        for wave in found:
            if _has_place(wave, move, limits):
                wave.append(move)
                break
        else:
            found.append([move])
    return found


def _has_place(wave: Iterable[Placed], move: Placed, limits: Limits) -> bool:
    wave = list(wave)
    at = Counter(host for one in wave for host in (one.source, one.host))
    link = {move.source, move.host}
    on_link = sum({one.source, one.host} == link for one in wave)
    return on_link < limits.per_link and all(at[host] < limits.per_host for host in link)


# ---- as a person reads it


def table(
    placing: Placing,
    limits: Limits,
    guests: Mapping[str, Guest],
    how: Mapping[str, str] | None = None,
    starts: Iterable[str] = (),
) -> list[str]:
    """A line for each VM: what becomes of it, where it goes and in which turn, or why it cannot."""
    rows: list[tuple[str, ...]] = [("VM", "memory", "from", "to", "")]
    for turn, wave in enumerate(waves(placing.moves, limits), 1):
        for one in wave:
            says = ", ".join(filter(None, (f"turn {turn}", (how or {}).get(one.name))))
            rows.append(_row(guests[one.name], one.host, says))
    rows += [_row(guests[name], "-", "is shut down") for name in placing.shutdowns]
    rows += [(name, "", "", "", "is started") for name in starts]
    rows += [_row(guests[name], "-", "stays") for name in placing.stays]
    rows += [_row(guests[one.name], "-", "cannot go") for one in placing.refused]
    return [*_columns(rows), *_reasons(placing.refused)]


def _row(guest: Guest, host: str, says: str) -> tuple[str, ...]:
    state = "" if guest.running else ", does not run"
    return guest.name, format_size(guest.promise.memory), guest.source, host, f"{says}{state}"


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows
    ]


def _reasons(refused: Iterable[Refused]) -> list[str]:
    return [f"{one.name}: {reason}" for one in refused for reason in one.reasons]
