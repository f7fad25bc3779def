# SPDX-License-Identifier: GPL-3.0-or-later
"""Each disk and medium reachable at the target, or to be copied with room for it."""

from __future__ import annotations

from collections.abc import Iterator

from ...engine import xmltree
from ...engine.plan import Have
from ...engine.units import format_size
from ...kinds.storage_volume.volumes import BLOCK_POOLS, HALF_MADE, described, type_of
from ..case import Case
from ..fate import EMPTY, FLATTENED, LAYER, LIKE_IT, LOCAL, SHARED, DiskFate, snapshots_lost
from ..findings import Finding

MIB = 2**20


def disks(case: Case) -> Iterator[Finding]:
    """What becomes of each disk is possible."""
    for fate in case.fates:
        if fate.how == LOCAL:
            yield _local(case, fate)
        elif fate.how == SHARED:
            yield _shared(case, fate)
        elif fate.is_copied:
            yield _copied(case, fate)
        elif fate.how == EMPTY and fate.source:
            yield case.warned(
                _check(fate),
                f"{fate.source} is not at the target; {fate.why}",
                "insert it again after the move, from storage that the target has",
                fate.about,
            )


def _check(fate: DiskFate) -> str:
    return "disks" if fate.device == "disk" else "media"


def _local(case: Case, fate: DiskFate) -> Finding:
    if fate.device != "disk":
        todo = (
            "eject it first, or put it into a pool that both hosts have (shared_pools names one "
            "that is shared though nothing shows it)"
        )
    else:
        todo = (
            "put it onto storage that both hosts have (shared_pools names what is shared though "
            "nothing shows it), or give the target a pool for it (map.pools)"
        )
    message = f"{fate.source or 'it'} cannot go: {fate.why}"
    return case.failed(_check(fate), message, todo, fate.about, source=fate.source)


def _shared(case: Case, fate: DiskFate) -> Finding:
    check, sides = _check(fate), {"source": fate.source, "target": fate.there}
    pool = case.target.pool(fate.pool_there) if fate.pool_there else None
    if pool is not None and pool.exists:
        if pool.live is None:
            return case.failed(
                check,
                f"the target has pool {fate.pool_there}, but it is not active",
                "start it there (kvm.fleet.storage_pool)",
                fate.about,
                **sides,
            )
        if not case.target.volume(fate.pool_there, fate.volume_there).exists:
            return case.failed(
                check,
                f"{fate.why}, and yet pool {fate.pool_there} of the target has no "
                f"{fate.volume_there}",
                "look whether both hosts have the same mounted (findmnt)",
                fate.about,
                **sides,
            )
        if fate.why == LIKE_IT:
            todo = "see that it is the same one: seeds of cloud-init often have one name and size"
            message = f"{fate.why}; its content is not compared"
            return case.warned(check, message, todo, fate.about, **sides)
        return case.passed(check, fate.why, fate.about, **sides)
    if case.target.is_here and fate.there.startswith("/"):
        return _by_path(case, fate, sides)
    return case.warned(
        check,
        f"{fate.why}; whether the target reaches it is not known from here",
        "see that it does",
        fate.about,
        **sides,
    )


def _by_path(case: Case, fate: DiskFate, sides: dict[str, str]) -> Finding:
    if case.target.host.exists(fate.there) is False:
        message = "is not there at the target"
        todo = "connect or mount it there"
        return case.failed(_check(fate), message, todo, fate.about, **sides)
    return case.passed(_check(fate), fate.why, fate.about, **sides)


def _copied(case: Case, fate: DiskFate) -> Finding:
    sides = {"source": _described(fate), "target": fate.there}
    why_not = _why_not_live(fate) if case.mode.is_live else ""
    if why_not:
        todo = "put it onto storage that both hosts have, or move the VM while it is stopped"
        return case.failed("disks", why_not, todo, fate.about, **sides)
    there = case.target.volume(fate.pool_there, fate.volume_there)
    if there.exists:
        return case.failed(
            "disks",
            f"pool {fate.pool_there} of the target has a {fate.volume_there} already, which would "
            "be overwritten",
            "remove or rename it there, or name another pool (map.pools)",
            fate.about,
            source=sides["source"],
            target=described(there),
        )
    if there.facts.get(HALF_MADE):
        return case.warned(
            "disks",
            f"{fate.volume_there} is half made at the target, by a run that ended or goes on",
            "nothing; it is made anew, unless a run is at it",
            fate.about,
            **sides,
        )
    return _goes_over(case, fate, sides)


def _why_not_live(fate: DiskFate) -> str:
    if fate.read_only:
        return "is read only, and QEMU copies no such disk while the VM runs"
    if fate.encrypted:
        return "is encrypted, and QEMU copies what the guest sees of it, not how it is encrypted"
    return ""


def _goes_over(case: Case, fate: DiskFate, sides: dict[str, str]) -> Finding:
    lost = snapshots_lost(case.move, fate)
    if lost:
        return case.warned(
            "disks",
            f"is copied ({fate.how}), but not the {lost} snapshots inside of it (qemu-img snapshot "
            "-l), which stay in the image at the source",
            "nothing if they may stay; else move the VM while it is stopped, with backing: keep",
            fate.about,
            **sides,
        )
    return case.passed("disks", f"is copied ({fate.how}): {fate.why}", fate.about, **sides)


def _described(fate: DiskFate) -> str:
    size = f", {format_size(fate.capacity)}" if fate.capacity else ""
    return f"{fate.source} ({fate.format}{size})"


# ---- what copies stand on


def backing(case: Case) -> Iterator[Finding]:
    """What a copy stands on is there, or is copied into it."""
    for fate in case.fates:
        if fate.how == LAYER and case.move.options.backing != "keep":
            yield case.warned(
                "backing",
                f"{fate.why}; it has the same name and size, its content is not compared",
                "say backing: keep where that is the same image, or backing: flatten",
                fate.about,
                target=fate.backing,
            )
        elif fate.how == LAYER:
            yield case.passed("backing", fate.why, fate.about, target=fate.backing)
        elif fate.how == FLATTENED:
            yield case.passed("backing", f"{fate.why}: both become one image", fate.about)


# ---- room


def room(case: Case) -> Iterator[Finding]:
    """What is copied into each pool has room there."""
    by_pool: dict[str, list[DiskFate]] = {}
    for fate in case.fates:
        if fate.is_copied:
            by_pool.setdefault(fate.pool_there, []).append(fate)
    for name, copied in sorted(by_pool.items()):
        yield _room(case, case.target.pool(name), copied)


def _room(case: Case, pool: Have, copied: list[DiskFate]) -> Finding:
    names = ", ".join(fate.about for fate in copied)
    whole = type_of(pool) in BLOCK_POOLS
    least = sum(fate.capacity if whole else _least(fate) for fate in copied)
    most = sum(fate.capacity for fate in copied)
    free = xmltree.get(pool.live, "available") if pool.live is not None else None
    sides = {"source": f"{_mib(least)} to copy", "target": f"{int(free or 0) // MIB}MiB free"}
    if free is None:
        return case.warned(
            "room", f"how much is free in pool {pool.name} is not known", "see to it", names
        )
    if not most:
        message = f"how large {names} is is not known"
        return case.warned("room", message, f"see that pool {pool.name} has room", names, **sides)
    if least > int(free):
        todo = "make room there, or name another pool (map.pools)"
        return case.failed(
            "room", f"pool {pool.name} of the target has no room", todo, names, **sides
        )
    if most > int(free):
        message = (
            f"pool {pool.name} has room for what is written now, and not for all that the VM may "
            f"write ({_mib(most)})"
        )
        return case.warned("room", message, "watch it", names, **sides)
    return case.passed("room", f"pool {pool.name} has room", names, **sides)


def _least(fate: DiskFate) -> int:
    """What a copy takes at least: it is sparse, in qcow2 and raw."""
    return min(fate.allocation, fate.capacity) if fate.capacity else fate.allocation


def _mib(size: int) -> str:
    return f"{-(-size // MIB)}MiB"
