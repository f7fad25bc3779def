# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host has, NUMA node by node: CPUs, memory, huge pages."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple


class Cell(NamedTuple):
    """A NUMA node of the host; one that has no NUMA is one node."""

    number: int
    memory: int  # bytes
    cores: list[list[int]]  # each the CPUs that are threads of one core


class HugePages(NamedTuple):
    """The memory of a host, as far as huge pages are concerned; all sizes in bytes."""

    free: list[tuple[int, int, int]]  # of each node, by its number: the size of a page, how many
    memory: int  # what is free, or in caches that can be dropped
    total: int

    @property
    def sizes(self) -> list[int]:
        """The sizes of huge pages that the host knows."""
        return sorted({size for _node, size, _count in self.free})

    def free_of(self, size: int, nodes: Collection[int] = ()) -> int:
        """How many pages of a size are free, on some nodes or on all."""
        return sum(
            count for node, of, count in self.free if of == size and (not nodes or node in nodes)
        )
