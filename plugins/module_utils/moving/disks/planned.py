# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan for a disk that is to live in a pool: what is copied, how, and what becomes of what."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ...engine.changes import LIVE, STORED, Change, Changed, Kept, Lost, Mended
from ...engine.errors import FleetErrors
from ...engine.keys import ABSENT
from ...engine.plan import NONE, UPDATE, Have, Plan, Wanted
from ...engine.units import format_size
from ...kinds.storage_volume import layouts
from ...kinds.storage_volume.volumes import BLOCK_POOLS, HALF_MADE
from ...kinds.vm.states import RUNNING
from ..changes import Copied, Moved
from ..fate import FLATTENED, DiskFate
from ..options import LIVE as RUNS
from ..options import OFFLINE
from ..users import OthersThere
from .checks import against, is_given
from .fate import fate_of
from .found import DiskMove
from .note import Note
from .options import KIND
from .tree import definition_with

LEFT = "left by a move that was interrupted"
VOLUMES = "volumes"


@dataclass(frozen=True)
class Planned:
    """A disk that is to live in a pool, and all that is done about that."""

    move: DiskMove
    plan: Plan
    ends: Note | None = None  # an interrupted move whose disk is where that was to bring it
    clears: Note | None = None  # one whose disk is not there, and whose new volume goes
    fate: DiskFate | None = None  # where the disk is to be copied
    joins: bool = False  # the copy that an interrupted run began goes on, and is waited for

    @property
    def mode(self) -> str:
        """By which mode it is copied."""
        return RUNS if self.move.is_live else OFFLINE

    def loses(self, volume: str) -> bool:
        """Whether the plan says that a volume goes once the disk has left it."""
        field = (VOLUMES, volume)
        return any(isinstance(one, Lost) and one.field == field for one in self.plan.changes)


def planned(move: DiskMove) -> Planned:
    """The plan. FleetErrors name everything that stands against it."""
    is_there = move.is_there
    begun, fate = move.begun, None
    ends = begun if begun is not None and move.is_at(begun.target) else None
    joins = _joins(move)
    if not is_there and not _only_ends(move, ends):
        mistakes = against(move)
        if mistakes:
            raise FleetErrors(mistakes)
        fate = fate_of(move)
    clears = begun if begun is not None and ends is None and not (fate and joins) else None
    changes = [*_ended(move, ends), *_cleared(move, clears, fate), *_moved(move, fate, joins)]
    wanted = Wanted(KIND, move.wanted.vm, "present", {("pool",): move.wanted.pool})
    plan = Plan(
        wanted,
        UPDATE if changes else NONE,
        move.have,
        _after(move, ends, fate),
        tuple(changes),
        warnings=tuple(_warnings(move, fate)),
    )
    return Planned(move, plan, ends, clears, fate, bool(fate and joins))


def _only_ends(move: DiskMove, ends: Note | None) -> bool:
    """Whether the disk runs where it is declared, and only what is stored lags behind."""
    return ends is not None and ends.volume == move.volume_there


def _joins(move: DiskMove) -> bool:
    """Whether libvirt still copies the disk to where it is declared, for a run that has ended."""
    begun = move.begun
    if begun is None or not move.mirror:
        return False
    same = move.mirror == begun.target and begun.volume == move.volume_there
    return same and move.mirror_format == move.format_there


# ---- what interrupted runs left


def _ended(move: DiskMove, note: Note | None) -> Iterator[Change]:
    if note is None:
        return
    if note.made and move.side.volume(*_parts(note.volume)).facts.get(HALF_MADE):
        field = (VOLUMES, note.volume)
        yield Mended(move.resource, field, HALF_MADE, "whole", note=LEFT)
    yield Mended(move.resource, ("metadata",), "the note of a move", ABSENT, note=LEFT)
    yield from _old(move, note.old, note.source)


def _cleared(move: DiskMove, note: Note | None, fate: DiskFate | None) -> Iterator[Change]:
    if note is None:
        return
    if move.mirror and move.mirror == note.target:
        field = ("disks", move.wanted.disk, "job")
        yield Mended(move.resource, field, f"a copy to {note.target}", ABSENT, note=LEFT)
    if note.made and (fate is None or note.volume != move.volume_there):  # else it is made anew
        yield Mended(move.resource, (VOLUMES, note.volume), HALF_MADE, ABSENT, note=LEFT)
    if fate is None:
        yield Mended(move.resource, ("metadata",), "the note of a move", ABSENT, note=LEFT)


def _parts(volume: str) -> tuple[str, str]:
    pool, _slash, name = volume.partition("/")
    return pool, name


# ---- the move


def _moved(move: DiskMove, fate: DiskFate | None, joins: bool) -> Iterator[Change]:
    if fate is None:
        return
    effect = LIVE if move.is_live else STORED
    at = ("disks", move.wanted.disk)
    yield Moved(move.resource, at, fate.source, fate.there, effect, note=_how(move, fate, joins))
    if move.format != fate.format:
        yield Changed(move.resource, (*at, "format"), move.format, fate.format, effect)
    what = f"{format_size(fate.capacity)}, {fate.format}" if fate.capacity else fate.format
    field = (VOLUMES, move.volume_there)
    if is_given(move):
        yield Lost(move.resource, field, fate.there, note="what is on it is overwritten")
    elif not joins:
        yield Copied(move.resource, field, None, what, note=_made(move, fate))
    yield from _old(move, f"{fate.pool}/{fate.volume}" if fate.pool else "", fate.source)


def _how(move: DiskMove, fate: DiskFate, joins: bool) -> str:
    state = move.have.facts.get("state")
    runs = "it runs" if state == RUNNING else f"it is {state}"
    how = "libvirt copies it while the guest goes on, and then lets it write there"
    why = f"live, {runs}: {how}" if move.is_live else f"offline, {runs}"
    goes_on = "; the copy that an interrupted run began is taken up" if joins else ""
    return f"{why}; {fate.how}: {fate.why}{goes_on}"


def _made(move: DiskMove, fate: DiskFate) -> str:
    stands = f"stands on {fate.backing}" if fate.backing else ""
    has = f"has what is in {fate.below} too" if fate.how == FLATTENED else ""
    there = move.side.volume(move.wanted.pool, move.name_there)
    layout = layouts.told(move.layout_there)
    like = f"laid out as now: {layout}" if layout else ""
    anew = "made anew: an interrupted run left it half-made" if there.facts.get(HALF_MADE) else ""
    return "; ".join(filter(None, (stands, has, like, anew)))


def _old(move: DiskMove, volume: str, path: str) -> Iterator[Change]:
    """What becomes of the volume that the disk leaves."""
    why = _why_kept(move, volume, path)
    make = Kept if why else Lost
    yield make(move.resource, (VOLUMES, volume or path), path, note=why or "the disk has left it")


def _why_kept(move: DiskMove, volume: str, path: str) -> str:
    if not move.wanted.remove_source_storage:
        return "the disk has left it; remove_source_storage: true removes it"
    if not volume:
        return "it is in no storage pool"
    if move.inside is not None and move.inside.snapshots and move.is_at(path):
        return f"it alone has its {move.inside.snapshots} snapshots"
    return OthersThere(move.side.world, move.have).of(path if path.startswith("/") else "")


def _warnings(move: DiskMove, fate: DiskFate | None) -> Iterator[str]:
    if fate is None:
        return
    if fate.snapshots:
        yield (
            f"the {fate.snapshots} snapshots inside of {fate.source} (qemu-img snapshot -l) are "
            "not copied; they stay in it"
        )
    if move.pool_type in BLOCK_POOLS or is_given(move):
        yield (
            f"{move.volume_there} may be larger than the disk, as volumes of {move.pool_type} "
            "pools are; then the guest may see the larger size from its next start on"
        )


def _after(move: DiskMove, ends: Note | None, fate: DiskFate | None) -> Have:
    """The VM as it will be."""
    have = move.have
    if fate is None:
        return have
    stored = definition_with(have.definition, move, fate)
    live = None if have.live is None else definition_with(have.live, move, fate)
    return Have("vm", have.name, stored, live, have.facts)
