# SPDX-License-Identifier: GPL-3.0-or-later
"""What libvirt tells of a host's memory, and by what it limits VMs that run."""

from __future__ import annotations

from collections.abc import Callable

from ..engine.nodes import HugePages
from .connection import Host, libvirt


def read_controllers(host: Host, vm: str) -> list[str]:
    """The control groups by which libvirt can tune a VM that runs; none of one that does not.

    In some containers, and without root, VMs have no groups of their own.
    """
    try:
        dom = host.conn.lookupByName(vm)
    except libvirt.libvirtError:
        return []
    calls = {"cpu": dom.schedulerParametersFlags, "memory": dom.memoryParameters}
    return [name for name, call in calls.items() if _answers(call)]


def _answers(call: Callable[[int], object]) -> bool:
    try:
        call(libvirt.VIR_DOMAIN_AFFECT_LIVE)
    except libvirt.libvirtError:
        return False
    return True


def read_huge_pages(host: Host) -> HugePages | None:
    """The free huge pages of each node, and the memory of the host; None where nobody can tell."""
    try:
        stats = host.conn.getMemoryStats(libvirt.VIR_NODE_MEMORY_STATS_ALL_CELLS)
        free = [
            (node, size * 1024, count)
            for node, sizes in _sizes(host).items()
            for size, count in sorted(host.conn.getFreePages(sizes, node, 1)[node].items())
        ]
    except libvirt.libvirtError:
        if not host.is_alive():
            raise
        return None
    can_be_had = sum(stats.get(part, 0) for part in ("free", "buffers", "cached"))
    return HugePages(free, can_be_had * 1024, stats.get("total", 0) * 1024)


def _sizes(host: Host) -> dict[int, list[int]]:
    """The sizes of huge pages that each node has, in KiB; the smallest of all are no huge ones."""
    nodes = {
        int(cell.get("id", "0")): sorted(int(one.get("size", "0")) for one in cell.findall("pages"))
        for cell in host.capabilities.findall("host/topology/cells/cell")
    }
    return {node: sizes[1:] for node, sizes in nodes.items() if sizes[1:]}
