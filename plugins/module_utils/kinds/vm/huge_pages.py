# SPDX-License-Identifier: GPL-3.0-or-later
"""The huge pages that VMs take of their host's pool, which grows where too few are free.

QEMU does not start without all of them. Who took what before in the same run is reckoned with:
plans are made in the order in which they are applied.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ...engine import xmltree
from ...engine.changes import Change
from ...engine.cpu_lists import cpus_in
from ...engine.errors import Mistakes
from ...engine.host import HostFacts
from ...engine.keys import named
from ...engine.nodes import HugePages
from ...engine.plan import Have
from ...engine.units import format_size, parse_size
from ...engine.world import World
from ...engine.xmltree import Element
from . import memory
from .changes import Grown
from .states import PAUSED, RUNNING

FIELD = named(memory.HUGE_PAGES)
POOL = "host_huge_pages"  # as what a plan shows the host's pool


class Taken(NamedTuple):
    """The huge pages that a VM takes when it runs."""

    size: int  # bytes of one
    number: int
    nodes: frozenset[int]  # of the host, from which it takes them; empty for any


def taken(domain: Element, sizes: list[int]) -> Taken | None:
    """What a VM takes of a host which has pages of these sizes; None of one on small pages.

    None as well where others gave each of its nodes a size of its own.
    """
    said = memory.huge_pages(domain)
    if said == "default":
        size = sizes[0] if sizes else 0
    else:
        size = parse_size(said) if said[-1] == "B" and "," not in said else 0
    if not size:
        return None
    number = sum(-(-part // size) for part in memory.parts(domain))
    strict = xmltree.get(domain, "numatune/memory/@mode") in (None, "strict")
    nodes = (xmltree.get(domain, "numatune/memory/@nodeset") or "") if strict else ""
    return Taken(size, number, frozenset(cpus_in(nodes)) if nodes else frozenset())


# ---- whether a host can have them


def check(after: Element, before: Element | None, host: HostFacts, mistakes: Mistakes) -> None:
    """Sizes that the host does not know, and more than there is of memory at all."""
    if memory.huge_pages(after) == "none" or (before is not None and _asks_no_more(after, before)):
        return
    has = host.huge_pages
    takes = taken(after, has.sizes) if has is not None else None
    if has is None or takes is None:
        return
    if takes.size not in has.sizes:
        sizes = ", ".join(map(format_size, has.sizes)) or "none"
        message = f"this host has no huge pages of {format_size(takes.size)}; it has {sizes}"
        mistakes.add(message, FIELD)
    elif takes.size * takes.number > has.total:
        mistakes.add(
            f"the VM needs {_said(takes)}, and the host has {format_size(has.total)} of memory",
            FIELD,
        )


def _asks_no_more(after: Element, before: Element) -> bool:
    same = memory.huge_pages(after) == memory.huge_pages(before)
    return same and sum(memory.parts(after)) <= sum(memory.parts(before))


def _said(takes: Taken) -> str:
    size = format_size(takes.size)
    return f"{takes.number} huge pages of {size} ({format_size(takes.size * takes.number)})"


# ---- what a start needs


def grown(starts: Element, have: Have, world: World, mistakes: Mistakes) -> Iterator[Change]:
    """The change by which the host's pool has enough free pages for a VM that starts."""
    if memory.huge_pages(starts) == "none":
        return
    has = world.host.huge_pages
    takes = taken(starts, has.sizes) if has is not None else None
    if has is None or takes is None or takes.size not in has.sizes:
        return
    free = has.free_of(takes.size, takes.nodes)
    earlier = _taken_earlier(have.name, takes.size, has, world)
    can_take = max(0, free - earlier) + _held(have, takes.size, has)
    missing = takes.number - can_take
    left = has.memory - max(0, earlier - free) * takes.size
    if missing * takes.size > left:
        mistakes.add(
            f"the VM needs {_said(takes)} to start, of which {can_take} are free, and the host has "
            f"{format_size(max(0, left))} of memory left of which more could be made; stop "
            "something first",
            FIELD,
        )
    elif missing > 0:
        note = (
            "free in the host's pool, which grows for the start and stays so until the host's "
            "next, or until host_memory gives back what is free again"
        )
        size = format_size(takes.size)
        yield Grown(f"vm/{have.name}", (POOL, size), can_take, takes.number, note=note)


def _taken_earlier(vm: str, size: int, has: HugePages, world: World) -> int:
    """The pages that VMs before this one will have taken in this run, less what they gave back."""
    count = 0
    for after in world.planned("vm"):
        before = world.was("vm", after.name)
        if after.name != vm and _runs(after) != _runs(before):
            count += _held(after, size, has) - _held(before, size, has)
    return count


def _held(have: Have, size: int, has: HugePages) -> int:
    if not _runs(have) or have.live is None:
        return 0
    takes = taken(have.live, has.sizes)
    return takes.number if takes is not None and takes.size == size else 0


def _runs(have: Have) -> bool:
    return have.facts.get("state") in (RUNNING, PAUSED)
