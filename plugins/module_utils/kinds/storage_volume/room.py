# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a new volume fits into its pool, as far as that can be told before it is made."""

from __future__ import annotations

from typing import NamedTuple

from ...engine import xmltree
from ...engine.checksums import is_url
from ...engine.plan import Have, Wanted
from ...engine.units import format_size
from ...engine.world import World
from ...engine.xmltree import Element
from .volumes import FILE_POOLS, HALF_MADE, KIND, pool_of, type_of

# Of a file system one in so many bytes is kept for root, and libvirt does not count it as free.
KEPT = 20


class Short(NamedTuple):
    """Why a volume may not fit."""

    message: str
    is_sure: bool


def why_short(wanted: Wanted, tree: Element, world: World) -> Short | None:
    """Why a new volume does not fit, or may not; None where nothing is against it."""
    pool = world.will_be("storage_pool", pool_of(wanted.name))
    needs, most = _takes(wanted, tree, type_of(pool), world)
    was = world.was("storage_pool", pool.name)
    half_made = world.was(KIND, wanted.name).facts.get(HALF_MADE)
    if not most or was.live is None or half_made:  # what is there of it by now counts as taken
        return None
    others = _others(wanted, pool, world)
    free = _free(was, world, others + most)
    if free is None or others + most <= free:
        return None
    kept = _capacity(was) // KEPT if type_of(pool) in FILE_POOLS else 0
    along = f", of which others of this run take {_shown(others)}" if others else ""
    amount = _shown(most) if needs == most else f"up to {_shown(most)}"
    return Short(
        f"takes {amount}, and pool {pool.name} has {_shown(free)} free{along}; make room there, "
        "or name another pool",
        others + needs > free + kept,
    )


def _takes(wanted: Wanted, tree: Element, pool_type: str, world: World) -> tuple[int, int]:
    """The bytes that it takes at least as it is made, and at most."""
    image, copied = wanted.options.get("image"), wanted.options.get("copy_of")
    allocation = int(xmltree.get(tree, "allocation") or 0)
    if allocation or pool_type not in FILE_POOLS:
        return allocation, allocation
    if image and not is_url(image):
        found = world.host.file(str(image))
        taken = found.allocated if found is not None and found.type == "file" else 0
        return taken, taken
    if copied:  # zeros of it become holes
        origin = world.will_be(KIND, str(copied)).stored
        told = xmltree.get(origin, "allocation") if origin is not None else None
        return 0, int(told or 0)
    return 0, 0


def _others(wanted: Wanted, pool: Have, world: World) -> int:
    """What the other volumes take at least that this run makes in the pool before."""
    found = 0
    for have in world.planned(KIND):
        declared = world.declared.get((KIND, have.name))
        is_new = have.stored is not None and not world.was(KIND, have.name).exists
        if is_new and declared and have.name != wanted.name and pool_of(have.name) == pool.name:
            found += _takes(declared, have.definition, type_of(pool), world)[0]
    return found


def _free(pool: Have, world: World, needs: int) -> int | None:
    """What is free in a pool. libvirt tells what it saw last, so it is asked to look if need be."""
    told = xmltree.get(pool.running, "available")
    if told is None or int(told) >= needs:
        return None if told is None else int(told)
    seen: int | None = world.facts.ask("free_in", pool.name)
    return int(told) if seen is None else seen


def _capacity(pool: Have) -> int:
    return int(xmltree.get(pool.running, "capacity") or 0)


def _shown(size: int) -> str:
    """A size that nobody has to count the digits of."""
    for unit, factor in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size >= factor and size % (1 << 20):
            return f"{round(size / factor, 1):g}{unit}"
    return format_size(size)
