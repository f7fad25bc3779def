# SPDX-License-Identifier: GPL-3.0-or-later
"""NUMA: each vCPU is in a cell, also those that come and go with the maximum; nodes are written."""

from __future__ import annotations

from ....engine import xmltree
from ....engine.accounting import Consequence
from ....engine.cpu_lists import cpus_in, listed
from ....engine.xmltree import Element
from .base import Changed, touched

NODES = "numatune/memory/@nodeset"
# Where that is automatic, libvirt adds an automatic numatune/memory to what has none.
VCPU_PLACEMENT = "vcpu/@placement"

CONSEQUENCES = (
    Consequence(
        "numa.interconnects",
        ("cpu/numa/interconnects",),
        ("numa.cells",),
        "is about cells that go",
    ),
    Consequence(
        "numa.placement_of_cells",
        ("numatune/memnode",),
        ("numa.cells",),
        "is of cells that go",
    ),
    # Shown by its option, but for a cell that memory.hotplug has brought, which is none's.
    Consequence("numa.vcpus", ("cpu/numa/cell/@cpus",), ("cpu.maximum",), "", silent=True),
    Consequence("numa.elements", ("cpu/numa", "numatune"), ("numa.cells",), "", silent=True),
    Consequence(
        "numa.placement.automatic",
        ("numatune/memory/@placement",),
        ("numa.placement",),
        "nodes are written, so nobody chooses them at the start",
    ),
    Consequence(
        "numa.placement.automatic_cpus",
        (VCPU_PLACEMENT,),
        ("numa.placement",),
        "libvirt has nodes chosen at the start where it has CPUs chosen",
    ),
)


def agree(domain: Element, changed: Changed) -> None:
    """Put new vCPUs into the first cell, as libvirt would unasked, and take those out that go.

    A cell that would be left without any keeps what it has, which is then a mistake.
    """
    if touched(changed, "numa.placement"):
        _agree_with_placement(domain)
    cells = domain.findall("cpu/numa/cell")
    if touched(changed, "numa.cells"):
        _agree_with_cells(domain, {str(cell.get("id")) for cell in cells})
    if not cells or not touched(changed, "cpu.maximum"):
        return
    there = set(range(int(xmltree.get(domain, "vcpu") or 1)))
    cpus = [cpus_in(cell.get("cpus", "")) for cell in cells]
    kept = [(has & there) or has for has in cpus]
    kept[0] |= there - set().union(*kept)
    for cell, had, has in zip(cells, cpus, kept):
        if has != had:
            cell.set("cpus", listed(has))


def _agree_with_placement(domain: Element) -> None:
    """Nobody chooses nodes at the start where they are written, or where there are to be none."""
    if xmltree.get(domain, NODES):
        xmltree.put(domain, "numatune/memory/@placement", None)
    elif domain.find("numatune/memory") is None and xmltree.get(domain, VCPU_PLACEMENT) == "auto":
        xmltree.put(domain, VCPU_PLACEMENT, "static")


def _agree_with_cells(domain: Element, numbers: set[str]) -> None:
    """libvirt takes neither an element without cells, nor what is said of cells that are not."""
    for node in domain.findall("numatune/memnode"):
        if node.get("cellid") not in numbers:
            xmltree.put(domain, f"numatune/memnode[@cellid='{node.get('cellid')}']!", None)
    if not numbers and domain.find("cpu/numa") is not None:
        xmltree.put(domain, "cpu/numa!", None)
