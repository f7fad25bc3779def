# SPDX-License-Identifier: GPL-3.0-or-later
"""What a new partition is called: libvirt makes one, and only then refuses a name that it has not.

Such a partition stays on the disk (libvirt 11.3), and no volume is it.
"""

from __future__ import annotations

import posixpath
from collections.abc import Collection

from ...engine import xmltree
from ...engine.plan import Have
from ...engine.world import World
from ...engine.xmltree import Element
from .volumes import KIND, name_in_pool, pool_of


def why_none(full_name: str, pool: Have, world: World) -> str:
    """Why no new partition would have a name; empty where one would, or nobody can tell."""
    tree = pool.stored
    device = tree is not None and xmltree.get(tree, "source/device/@path")
    if tree is None or not device or not world.host.is_local:
        return ""
    disk = posixpath.basename(str(world.facts.ask("real_path", device, unknown="")))
    if not disk or disk.startswith("dm-"):  # its partitions are called as somebody set them up
        return ""
    start = f"{disk}p" if disk[-1].isdigit() else disk
    name, there = name_in_pool(full_name), _there(pool, world)
    if name.removeprefix(start).isdigit() and name.startswith(start):
        free = f"{start}{lowest_free(start, there)}"
        if name == free or not _is_counted(tree, pool, world):
            return ""
        return f"the next partition of {device} is {free}; call it so"
    return f"a partition of {device} is called {start}1, {start}2 and so on; call it so"


def lowest_free(start: str, there: Collection[str]) -> int:
    """The number that a new partition gets beside those that are there."""
    number = 1
    while f"{start}{number}" in there:
        number += 1
    return number


def _there(pool: Have, world: World) -> set[str]:
    everything = world.everything(KIND).items()
    return {
        name_in_pool(name)
        for name, have in everything
        if pool_of(name) == pool.name and have.exists
    }


def _is_counted(tree: Element, pool: Have, world: World) -> bool:
    """Whether all partitions are seen, and a new one gets the lowest number (not so of DOS)."""
    is_gpt = xmltree.get(tree, "source/format/@type") == "gpt"
    return is_gpt and world.was(pool.kind, pool.name).live is not None
