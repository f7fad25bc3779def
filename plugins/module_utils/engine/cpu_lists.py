# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists of CPUs as libvirt writes them: `0-3,8`."""

from __future__ import annotations

from collections.abc import Collection


def cpus_in(text: str) -> set[int]:
    """The numbers in one of libvirt's lists, such as `0-3,^2,8`."""
    cpus: set[int] = set()
    for part in text.replace(" ", "").split(","):
        first, _dash, last = part.lstrip("^").partition("-")
        if first.isdecimal():
            some = set(range(int(first), int(last if last.isdecimal() else first) + 1))
            cpus = cpus - some if part.startswith("^") else cpus | some
    return cpus


def listed(cpus: Collection[int]) -> str:
    """Numbers as one of libvirt's lists: neighbours are joined."""
    ranges: list[list[int]] = []
    for cpu in sorted(cpus):
        if ranges and ranges[-1][1] == cpu - 1:
            ranges[-1][1] = cpu
        else:
            ranges.append([cpu, cpu])
    return ",".join(f"{first}-{last}" if first < last else str(first) for first, last in ranges)
