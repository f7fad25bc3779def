# SPDX-License-Identifier: GPL-3.0-or-later
"""How the kernel tells of memory: the names of its files, and what their texts mean."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

KIB = 1024
HUGE_PAGES = "sys/kernel/mm/hugepages"
NODES = "sys/devices/system/node"
KSM = "sys/kernel/mm/ksm"
_KIB_OF = re.compile(r"^(?:Node \d+ )?(\S+):\s+(\d+) kB$", re.MULTILINE)
_PRESSURE = re.compile(r"(\w+)=([\d.]+)")


class HugePages(NamedTuple):
    """The huge pages of a size, of all nodes together or of one."""

    size: int
    node: int | None
    total: int
    free: int
    reserved: int  # of the free, what a program has been promised; the kernel tells it of all nodes
    surplus: int  # of the total, what goes as soon as it is free

    @property
    def lasting(self) -> int:
        """What was asked for, and stays when programs end."""
        return self.total - self.surplus

    @property
    def used(self) -> int:
        """What programs have or have been promised."""
        return self.total - self.free + self.reserved


def folder_of(size: int, node: int | None) -> str:
    """Where the kernel tells of huge pages, below the root."""
    above = HUGE_PAGES if node is None else f"{NODES}/node{node}/hugepages"
    return f"{above}/hugepages-{size // KIB}kB"


def meminfo_in(text: str) -> dict[str, int]:
    """The bytes in /proc/meminfo, or in that of a node, by name."""
    return {name: int(kib) * KIB for name, kib in _KIB_OF.findall(text)}


def available(info: Mapping[str, int]) -> int:
    """What could be had without swapping; of a node, which does not tell it, roughly."""
    caches = ("MemFree", "Active(file)", "Inactive(file)", "SReclaimable")
    return info.get("MemAvailable", sum(info.get(name, 0) for name in caches))


def pressure_in(text: str) -> dict[str, Any]:
    """The percentages of time, and the sum, by `some` and `full`."""
    lines = (line.partition(" ") for line in text.splitlines())
    return {who: _pressure_of(said) for who, _blank, said in lines}


def _pressure_of(said: str) -> dict[str, Any]:
    numbers = dict(_PRESSURE.findall(said))
    total = {"total_us": int(numbers.pop("total"))} if "total" in numbers else {}
    return {**{name: float(value) for name, value in numbers.items()}, **total}
