# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host has to promise, and who sees that what it promised holds.

Of this machine both are read from files. Of another libvirt tells what it has, nobody the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..engine import xmltree
from ..engine.promises_held import KIB
from ..engine.promises_policy import Capacity
from .connection import Host

# ---- what it has


def read_capacity(host: Host) -> Capacity:
    """Processors, memory, huge pages and NUMA cells."""
    if host.is_local:
        from . import capacity

        return capacity.capacity()
    return told_by_libvirt(host.capabilities)


def told_by_libvirt(capabilities: xmltree.Element) -> Capacity:
    """The same from libvirt's capabilities."""
    cells = tuple(_cells(capabilities))
    pages: dict[int, int] = {}
    for size, count in _pages(capabilities):
        pages[size] = pages.get(size, 0) + count
    return Capacity(
        tuple(sorted({cpu for _id, cpus, _memory in cells for cpu in cpus})),
        sum(memory for _id, _cpus, memory in cells),
        dict(sorted(pages.items())),
        cells,
    )


def _cells(capabilities: xmltree.Element) -> Iterator[tuple[int, tuple[int, ...], int]]:
    for cell in capabilities.findall("host/topology/cells/cell"):
        cpus = (int(cpu.get("id", "0")) for cpu in cell.findall("cpus/cpu"))
        memory = int(xmltree.get(cell, "memory") or 0) * KIB
        yield int(cell.get("id", "0")), tuple(sorted(cpus)), memory


def _pages(capabilities: xmltree.Element) -> Iterator[tuple[int, int]]:
    """The huge pages of each cell: the smallest of it are what all its other memory is in."""
    for cell in capabilities.findall("host/topology/cells/cell"):
        there = ((int(one.get("size", "0")), (one.text or "0")) for one in cell.findall("pages"))
        for size, count in sorted(there)[1:]:
            yield size * KIB, int(count.strip())


# ---- what is said about it, and who holds it


def read_promises(host: Host) -> dict[str, Any] | None:
    """The policy of this machine, and what there is to enforce it; None of another."""
    if not host.is_local:
        return None
    from . import cgroups, hooked, noted
    from .capacity import SYSTEM, policy_to_go_by

    policy, error = policy_to_go_by()
    return {
        "policy": policy._asdict(),
        "error": error,
        "hook": hooked.hook_of(SYSTEM),
        "cgroup": cgroups.version(SYSTEM),
        "systemd": cgroups.has_systemd(SYSTEM),
        "faults": noted.faults(SYSTEM),
    }


def read_held(host: Host) -> dict[str, Any] | None:
    """What the kernel of this machine has for each VM that runs; None of another."""
    if not host.is_local:
        return None
    from . import enforcing

    return enforcing.states()
