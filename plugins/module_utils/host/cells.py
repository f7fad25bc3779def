# SPDX-License-Identifier: GPL-3.0-or-later
"""The NUMA nodes of a host, as a fact: libvirt tells them of hosts that are elsewhere, too."""

from __future__ import annotations

from ..engine import xmltree
from ..engine.cpu_lists import cpus_in
from ..engine.nodes import Cell
from ..engine.xmltree import Element

KIB = 1024


def read_cells(capabilities: Element) -> list[Cell]:
    """The nodes in libvirt's capabilities."""
    return [_cell(cell) for cell in capabilities.findall("host/topology/cells/cell")]


def _cell(cell: Element) -> Cell:
    cpus = {int(cpu.get("id", "0")): cpu.get("siblings", "") for cpu in cell.findall("cpus/cpu")}
    cores = {tuple(sorted(cpus_in(said) & set(cpus)) or [cpu]) for cpu, said in cpus.items()}
    memory_kib = int(xmltree.get(cell, "memory") or 0)
    return Cell(int(cell.get("id", "0")), memory_kib * KIB, sorted(map(list, cores)))
