# SPDX-License-Identifier: GPL-3.0-or-later
"""Which VMs have to leave a host, or come back to it, and what is to be noted about that.

Pure: sides of a move in, guests and notes out. Where guests go is decided in placing.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from ..engine import xmltree
from ..engine.codecs import mapping
from ..engine.errors import Mistakes
from ..engine.plan import Have
from ..kinds.together.admission import held_before
from ..kinds.vm.promised import promise_of
from ..kinds.vm.states import PAUSED, RUNNING
from .fate import DiskFate
from .homes import Home, home_of
from .placing import MIGRATE, SHUTDOWN, STAY, WISHES, Guest, Placing, Room
from .side import Side

TAGS = "metadata/fleet:resource/fleet:tags"
WISH_TAG = "on_evacuate"
EVERY = "*"  # in a mapping of wishes, all that are not named


class Noted(NamedTuple):
    """A note that is to be written at a VM, or taken away where there is to be none."""

    name: str
    side: str  # the host where the VM is
    home: Home | None


class Returning(NamedTuple):
    """What there is to be done so that all are at home that left."""

    guests: tuple[Guest, ...] = ()  # elsewhere
    starts: tuple[str, ...] = ()  # at home, and shut down to empty it
    notes: tuple[Noted, ...] = ()  # at home, as before


class Claims:
    """Where disks go that are copied, of all VMs that are placed: no two go to one place."""

    def __init__(self) -> None:
        self._by: dict[tuple[str, str, str], str] = {}

    def against(self, vm: str, target: str, fates: Iterable[DiskFate]) -> list[str]:
        """Which disks of a VM would meet those of another; where none does, it has its places."""
        places = {(target, one.pool_there, one.volume_there): one for one in fates if one.is_copied}
        met = [
            f"disks {fate.about}: a disk of {self._by[place]}, which goes there too, would be "
            f"{fate.there} as well; rename one of both volumes, or move them to different pools"
            for place, fate in places.items()
            if place in self._by
        ]
        if not met:
            self._by.update(dict.fromkeys(places, vm))
        return met


# ---- who leaves


def leaving(side: Side, wishes: Mapping[str, str]) -> list[Guest]:
    """All VMs of a host with what is wished for each, by the mapping or by its own tag."""
    mistakes = Mistakes("evacuation")
    _check(wishes, mistakes)
    guests = [_guest(have, side.name, wishes, mistakes) for have in side.vms().values()]
    mistakes.raise_any()
    return guests


def _check(wishes: Mapping[str, str], mistakes: Mistakes) -> None:
    for name, wish in wishes.items():
        if wish not in WISHES:
            mistakes.add(_unknown(wish), f"on_evacuate.{name}")


def _unknown(wish: object) -> str:
    return f"{wish!r} is none of {', '.join(WISHES)}"


def _guest(have: Have, host: str, wishes: Mapping[str, str], mistakes: Mistakes) -> Guest:
    wish = wishes.get(have.name) or _tags(have).get(WISH_TAG) or wishes.get(EVERY) or MIGRATE
    if have.name not in wishes and wish not in WISHES:
        mistakes.add(f"its tag is {_unknown(wish)}", f"tags.{WISH_TAG}", f"vm/{have.name}")
    running = is_up(have)
    # What does not run need not be shut down, and is where it is.
    wish = STAY if wish == SHUTDOWN and not running else wish
    promise = promise_of(have.definition if have.live is None else have.live)
    return Guest(have.name, host, promise, running, wish)


def _tags(have: Have) -> Mapping[str, str]:
    found: Mapping[str, str] = mapping().decode(xmltree.get(have.definition, TAGS))
    return found


def is_up(have: Have) -> bool:
    """Whether it has a QEMU."""
    return have.facts.get("state") in (RUNNING, PAUSED)


def notes_before(placing: Placing, side: Side, guests: Mapping[str, Guest]) -> list[Noted]:
    """What is to be noted of those that leave. Who is not at home here already keeps its note."""
    names = [*(move.name for move in placing.moves), *placing.shutdowns]
    return [
        Noted(name, side.name, Home(side.name, guests[name].running))
        for name in names
        if home_of(side.vm(name).definition) is None
    ]


# ---- who comes back


def returning(sides: Mapping[str, Side], host: str) -> Returning:
    """Who is noted to be at home on a host, wherever it is now."""
    guests, starts, notes = [], [], []
    for side, have, home in _noted_at(sides, host):
        if side.name != host:
            guests.append(_guest(have, side.name, {have.name: MIGRATE}, Mistakes()))
        elif home.ran and not is_up(have):
            starts.append(have.name)
        else:
            notes.append(Noted(have.name, host, None))
    return Returning(tuple(guests), tuple(starts), tuple(notes))


def _noted_at(sides: Mapping[str, Side], host: str) -> Iterator[tuple[Side, Have, Home]]:
    for side in sides.values():
        for have in side.vms().values():
            home = home_of(have.definition)
            if home is not None and home.host == host:
                yield side, have, home


# ---- who takes them


def room_of(side: Side) -> Room:
    """What a host has, and who holds of it."""
    held = held_before(side.world)
    host = side.host
    return Room(side.name, host.capacity, host.policy, tuple(held.pools), tuple(held.vms))


def targets_of(hosts: Iterable[str], host: str, to: Sequence[str] | None) -> list[str]:
    """The hosts to which VMs may go, in this order. Or FleetErrors."""
    mistakes, hosts = Mistakes("evacuation"), list(hosts)
    known = ", ".join(sorted(hosts)) or "nobody"
    if host not in hosts:
        mistakes.add(f"{host} is none of hosts, which are {known}", "host")
    for name in to or ():
        if name == host:
            mistakes.add(f"{name} is the host that is to be emptied; leave it out", "to")
        elif name not in hosts:
            mistakes.add(f"{name} is none of hosts, which are {known}", "to")
    mistakes.raise_any()
    return list(dict.fromkeys(to)) if to else [name for name in sorted(hosts) if name != host]
