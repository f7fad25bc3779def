# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan for a file that a volume is to be: whether it is that, and what is against it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from ...engine import xmltree
from ...engine.changes import Change
from ...engine.errors import FleetError, FleetErrors
from ...engine.keys import Values
from ...engine.plan import NONE, UPDATE, Have, Plan, Wanted
from ...engine.units import format_size
from ...engine.world import World
from ..images.chains import Chains
from ..images.uses import WRITES, uses_of_domain
from ..storage_volume.volumes import (
    FILE_POOLS,
    HALF_MADE,
    backing_of,
    capacity_of,
    day_of,
    format_of,
    type_of,
)
from .declared import KIND, Declared
from .facts import Dest, DestFacts
from .places import PARTIAL

# Which of libvirt's kinds of pools hand out what is in a volume (downloadVol in its backends).
HANDS_OUT = (*FILE_POOLS, "logical", "disk", "iscsi", "scsi", "mpath", "zfs")


class Brought(Change):
    """A file that is made of a volume."""

    in_definition = False
    never_back = "what was in the file before is not kept"

    def put(self, values: Values) -> None:
        """No row says it."""


@dataclass(frozen=True)
class Case:
    """What a plan looks at."""

    world: World
    wanted: Declared
    lenient: bool = False  # what is missing may be what an earlier task would make

    @cached_property
    def pool(self) -> Have:
        """The pool of the volume."""
        return self.world.was("storage_pool", self.wanted.pool)

    @cached_property
    def volume(self) -> Have:
        """The volume."""
        return self.world.was("storage_volume", self.wanted.name)

    @cached_property
    def dest(self) -> Dest:
        """What is at the place of the file."""
        return DestFacts(self.world.facts).dest(self.wanted.dest)

    @property
    def is_in_files(self) -> bool:
        """Whether the volume is a file, of which its file system knows when it was written."""
        return type_of(self.pool) in FILE_POOLS

    @property
    def written_ns(self) -> int:
        """When the volume was last written to; 0 where nobody can tell."""
        told = self._told("target/timestamps/mtime") if self.is_in_files else ""
        seconds, _dot, fraction = told.partition(".")
        return int(seconds) * 10**9 + int(fraction.ljust(9, "0")[:9] or 0) if seconds else 0

    @property
    def size(self) -> int:
        """The bytes of the volume, holes included."""
        physical = self._told("physical") if self.is_in_files else ""
        return int(physical or capacity_of(self.volume))

    @property
    def least(self) -> int:
        """The bytes that its file takes: holes of a file stay holes."""
        taken = int(self._told("allocation") or 0)
        return min(taken, self.size) if self.is_in_files else self.size

    @cached_property
    def writers(self) -> list[str]:
        """The VMs that run and write to it."""
        chains = Chains(self.world)
        place = chains.place(self._told("target/path"))
        found = set()
        for name, have in self.world.everything("vm").items():
            if have.live is not None:
                uses = uses_of_domain(have.live, f"vm/{name}", chains, deep=True)
                mine = (use for use in uses if use.does == WRITES)
                if any(chains.place(use.path) == place for use in mine):
                    found.add(name)
        return sorted(found)

    def _told(self, path: str) -> str:
        return (self.volume.exists and xmltree.get(self.volume.definition, path)) or ""


@dataclass(frozen=True)
class Planned:
    """A file that a volume is to be, and whether it is made."""

    case: Case
    plan: Plan
    checksum: str = ""  # of the file that is there, as far as it was looked at


def planned(case: Case) -> Planned:
    """The plan. FleetErrors name everything that stands against it."""
    _refuse(_against_place(case))
    checksum = _checksum_there(case)
    if case.wanted.checksum and checksum == case.wanted.digits:
        return Planned(case, _plan(case, ()), checksum)
    unseen = [*_unseen(case)]
    if unseen and not case.lenient:
        raise FleetErrors(unseen)
    if not unseen and not case.wanted.checksum and _is_as_it_is(case):
        return Planned(case, _plan(case, ()))
    _refuse([*_against_replacing(case), *(() if unseen else _against_taking(case))])
    change = Brought(
        case.wanted.resource, ("dest",), _shown_there(case), case.wanted.dest, note=_how(case)
    )
    assumed = [
        f"{error.message.partition(';')[0]} yet; the plan assumes that it will be"
        for error in unseen
    ]
    warnings = [*assumed, *(() if unseen else _warnings(case))]
    return Planned(case, _plan(case, (change,), warnings))


def _refuse(errors: Iterator[FleetError] | list[FleetError]) -> None:
    found = [*errors]
    if found:
        raise FleetErrors(found)


def _plan(case: Case, changes: tuple[Change, ...], warnings: list[str] | None = None) -> Plan:
    have = Have(KIND, case.wanted.name)
    wanted = Wanted(KIND, case.wanted.name, "present")
    action = UPDATE if changes else NONE
    return Plan(wanted, action, have, have, changes, warnings=tuple(warnings or ()))


# ---- whether the file is the volume


def _checksum_there(case: Case) -> str:
    if not case.wanted.checksum or case.dest.type != "file":
        return ""
    return DestFacts(case.world.facts).checksum(case.dest.real, case.wanted.algorithm)


def _is_as_it_is(case: Case) -> bool:
    """Whether the file was taken of the volume as that is now: it keeps the time and the size."""
    dest, written = case.dest, case.written_ns
    is_same = bool(written) and dest.is_as_written(written)
    return dest.type == "file" and is_same and dest.size == case.size


# ---- what stands against it


def _against_place(case: Case) -> Iterator[FleetError]:
    dest, resource = case.dest, case.wanted.resource
    folder = dest.real.rpartition("/")[0] or "/"
    if dest.folder != "folder":
        message = f"the folder {folder} is not there; make it first"
        yield FleetError(message, resource, "dest")
    if dest.type == "folder":
        message = f"{case.wanted.dest} is a folder; name a file in it"
        yield FleetError(message, resource, "dest")
    elif dest.type not in ("", "file"):
        yield FleetError(f"{case.wanted.dest} is no file; name another", resource, "dest")
    if dest.partial not in ("", "file"):
        message = f"{dest.real}{PARTIAL} is no file, and would be written to meanwhile; move it"
        yield FleetError(message, resource, "dest")


def _unseen(case: Case) -> Iterator[FleetError]:
    """What of the volume is not there, or not to be seen."""
    resource, pool = case.wanted.resource, case.wanted.pool
    if not case.pool.exists:
        message = f"the storage pool {pool} is not there; name one that is"
        yield FleetError(message, resource, "pool")
    elif case.pool.live is None:
        message = f"the storage pool {pool} is not active; start it (state: active)"
        yield FleetError(message, resource, "pool")
    elif case.volume.facts.get(HALF_MADE):
        message = "is not whole; wait for the run that makes it, or declare it again"
        yield FleetError(message, resource, "volume")
    elif not case.volume.exists:
        message = f"the volume {case.wanted.name} is not there; name one that is"
        yield FleetError(message, resource, "volume")


def _against_replacing(case: Case) -> Iterator[FleetError]:
    if case.dest.type == "file" and not case.wanted.overwrite:
        is_so = "has another checksum" if case.wanted.checksum else _why_another(case)
        yield FleetError(
            f"{case.wanted.dest} is there and {is_so}; overwrite: true replaces it",
            case.wanted.resource,
            "dest",
        )


def _why_another(case: Case) -> str:
    if not case.written_ns:
        return "nobody can tell whether it is what the volume is now (checksum can)"
    return "is not the volume as it is now, by its size and when it was written"


def _against_taking(case: Case) -> Iterator[FleetError]:
    wanted, kind = case.wanted, type_of(case.pool)
    if kind not in HANDS_OUT:
        message = (
            f"libvirt hands out no volume of a pool of type {kind}; use the tools of its server"
        )
        yield FleetError(message, wanted.resource, "pool")
    if case.writers and not wanted.allow_in_use:
        yield FleetError(
            f"{', '.join(case.writers)} writes to it, so a copy would be of no one moment; stop "
            "the VM, make a backup (vm_backup), or say allow_in_use: true",
            wanted.resource,
            "volume",
        )
    room = DestFacts(case.world.facts).room(case.dest.real)
    if room is not None and room < case.least:
        folder = case.dest.real.rpartition("/")[0] or "/"
        yield FleetError(
            f"{folder} has {format_size(room >> 20 << 20)} free, and the file takes at least "
            f"{format_size(-(-case.least >> 20) << 20)}; make room there, or name another place",
            wanted.resource,
            "dest",
        )


# ---- what a plan shows


def _shown_there(case: Case) -> str | None:
    dest = case.dest
    if dest.type != "file":
        return None
    return f"{dest.size} bytes, last written {day_of(dest.written_ns / 1e9)}"


def _how(case: Case) -> str:
    if not case.volume.exists:
        return ""
    what = f"{case.size} bytes, {format_of(case.volume)}"
    anew = "what an interrupted run left beside it is replaced" if case.dest.partial else ""
    each = "taken in each run: whether such a volume was written to since nobody can tell"
    is_blind = not case.written_ns and not case.wanted.checksum
    return "; ".join(filter(None, (what, anew, each if is_blind else "")))


def _warnings(case: Case) -> Iterator[str]:
    below = backing_of(case.volume)
    if below:
        yield (
            f"it stands on {below}, which is not in the file; take that too, or a full copy of the "
            "volume (copy_of)"
        )
    if case.writers:
        yield (
            f"{', '.join(case.writers)} writes to it meanwhile: the file is of no one moment, and "
            "what is in it may be broken"
        )
