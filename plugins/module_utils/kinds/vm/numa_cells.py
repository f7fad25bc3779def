# SPDX-License-Identifier: GPL-3.0-or-later
"""NUMA cells of a guest: what follows for its vCPUs and memory, and what they have to be."""

from __future__ import annotations

from collections.abc import Mapping

from ...engine import xmltree
from ...engine.codecs import Value
from ...engine.cpu_lists import cpus_in, listed
from ...engine.errors import Mistakes
from ...engine.keys import ABSENT, Key, Values, named
from ...engine.units import format_size, parse_size
from ...engine.xmltree import Element
from .memory import MAXIMUM
from .table import RESERVATION

CELLS = ("numa", "cells")
VCPUS = ("cpu", "maximum")
_OF_VCPUS = (VCPUS, ("cpu", "count"), ("cpu", "topology"))


def read(domain: Element, values: Values) -> None:
    """A cell that `memory.hotplug` has brought is nobody's to declare."""
    brought = xmltree.get(domain, f"{RESERVATION}/@brought") or ""
    for key in [key for key in values if key[:2] == CELLS] if "numa" in brought.split() else ():
        del values[key]


def resolve(values: dict[Key, Value], stored: Values) -> None:
    """Cells are all of a VM's memory, and of a new one all of its vCPUs."""
    if not any(key[:2] == CELLS for key in values):
        return
    after = {**stored, **values}
    cells = cells_of(after)
    sizes = [after.get((*CELLS, cell, "memory")) for cell in cells]
    if cells and all(sizes) and MAXIMUM not in values:
        of_cells = sum(map(parse_size, sizes))
        values[MAXIMUM] = format_size(of_cells + _beside_cells(stored))
    if not stored and not any(key[:2] in _OF_VCPUS for key in values):
        cpus = _cpus_in_all(after, cells)
        values[VCPUS] = max(cpus, default=0) + 1


def _beside_cells(stored: Values) -> int:
    """The bytes that are plugged in beside the cells."""
    sizes = [stored[(*CELLS, cell, "memory")] for cell in cells_of(stored)]
    return parse_size(stored[MAXIMUM]) - sum(map(parse_size, sizes)) if sizes else 0


def cells_of(values: Mapping[Key, Value]) -> list[str]:
    """The numbers of the cells that there are."""
    found = [key[2] for key, value in values.items() if key[:2] == CELLS and len(key) == 3]
    return sorted((one for one in found if values[(*CELLS, one)] is not ABSENT), key=int)


def _cpus_in_all(values: Mapping[Key, Value], cells: list[str]) -> set[int]:
    return {cpu for cell in cells for cpu in cpus_in(values.get((*CELLS, cell, "cpus")) or "")}


# ---- what must hold


def check(after: Values, want: Mapping[Key, Value], mistakes: Mistakes) -> None:
    """Each vCPU is in one cell, each cell has memory, and they are counted from 0."""
    if not any(key[:2] == CELLS for key in want):
        return
    cells = cells_of(after)
    if cells != [str(number) for number in range(len(cells))]:
        message = f"are counted from 0 without a gap, and these are {', '.join(cells)}"
        mistakes.add(message, named(CELLS))
    owners: dict[int, list[str]] = {number: [] for number in range(after[VCPUS] if cells else 0)}
    for cell in cells:
        if not after.get((*CELLS, cell, "memory")):
            mistakes.add("is needed; write a size such as 2GiB", named((*CELLS, cell, "memory")))
        for cpu in cpus_in(after.get((*CELLS, cell, "cpus")) or ""):
            owners.setdefault(cpu, []).append(cell)
    lost = [cpu for cpu, own in owners.items() if not own]
    twice = [cpu for cpu, own in owners.items() if len(own) > 1]
    if lost:
        message = f"vCPU {listed(lost)} is in no cell, and each has to be in one (cpu.maximum)"
        mistakes.add(message, named(CELLS))
    if twice:
        mistakes.add(f"vCPU {listed(twice)} is in several cells", named(CELLS))
