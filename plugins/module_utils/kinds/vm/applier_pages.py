# SPDX-License-Identifier: GPL-3.0-or-later
"""Grows a host's pool of huge pages, and believes what it finds there instead of what is returned.

The kernel gives as many pages as it finds memory in one piece for, and libvirt calls that a
success.
"""

from __future__ import annotations

from ...engine import xmltree
from ...engine.errors import FleetError
from ...engine.nodes import HugePages
from ...engine.plan import Plan
from ...engine.units import format_size, parse_size
from ...host.connection import Host, libvirt
from ...host.memory import read_huge_pages
from .changes import Grown
from .huge_pages import FIELD, taken


def grow(host: Host, plan: Plan) -> None:
    """Have as many free pages as the plan says. FleetError, and as many as before, if not."""
    for change in plan.changes:
        if isinstance(change, Grown):
            _grow(host, plan, parse_size(change.field[1]), int(change.after))


def _grow(host: Host, plan: Plan, size: int, count: int) -> None:
    before = _pages(host, plan)
    takes = taken(plan.after.definition, before.sizes)
    nodes = takes.nodes if takes is not None else frozenset()
    missing = count - before.free_of(size, nodes)
    if missing <= 0:
        return
    node = min(nodes, default=-1)
    kib = size // 1024
    with host.errors(plan.resource, "grow the host's pool of huge pages"):
        host.conn.allocPages({kib: missing}, node, 1, libvirt.VIR_NODE_ALLOC_PAGES_ADD)
        came = _pages(host, plan).free_of(size, nodes) - before.free_of(size, nodes)
        if came < missing:
            total = max(0, _total(host, kib, node) - max(0, came))
            host.conn.allocPages({kib: total}, node, 1, libvirt.VIR_NODE_ALLOC_PAGES_SET)
    if came < missing:
        raise FleetError(
            f"the host could give {max(0, came)} of {missing} more huge pages of "
            f"{format_size(size)}: its memory is full, or in pieces; "
            "stop something, or have the pages reserved when the host boots",
            plan.resource,
            FIELD,
        )


def _pages(host: Host, plan: Plan) -> HugePages:
    found = read_huge_pages(host)
    if found is None:
        raise FleetError("libvirt does not tell the host's huge pages", plan.resource, FIELD)
    return found


def _total(host: Host, kib: int, node: int) -> int:
    """How many pages of a size there are now, on one node or (-1) on all."""
    tree = xmltree.parse(host.conn.getCapabilities())
    cells = tree.findall("host/topology/cells/cell")
    mine = (cell for cell in cells if node < 0 or int(cell.get("id", "0")) == node)
    return sum(
        int(pages.text or 0)
        for cell in mine
        for pages in cell.findall("pages")
        if int(pages.get("size", "0")) == kib
    )
