# SPDX-License-Identifier: GPL-3.0-or-later
"""The memory of this machine as its kernel tells of it: huge pages, merged pages (KSM), pressure.

All below a root folder, so that tests have one of their own.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from .kernel_memory import (
    HUGE_PAGES,
    KIB,
    KSM,
    NODES,
    HugePages,
    folder_of,
    meminfo_in,
    pressure_in,
)

ROOT = Path("/")
PRESSURE = Path("/proc/pressure")


def huge_pages(root: Path = ROOT) -> list[HugePages]:
    """Of each size that the kernel has, in all and by node."""
    sizes = sorted(
        int(folder.name.removeprefix("hugepages-").removesuffix("kB")) * KIB
        for folder in (root / HUGE_PAGES).glob("hugepages-*kB")
    )
    return [_huge_pages(root, size, node) for size in sizes for node in (None, *nodes(root))]


def _huge_pages(root: Path, size: int, node: int | None) -> HugePages:
    folder = root / folder_of(size, node)
    names = ("nr_hugepages", "free_hugepages", "resv_hugepages", "surplus_hugepages")
    return HugePages(size, node, *(number(folder / name) or 0 for name in names))


def nodes(root: Path = ROOT) -> list[int]:
    """The numbers of the NUMA nodes that have memory; none where the kernel knows no nodes."""
    return sorted(
        int(folder.name[len("node") :])
        for folder in (root / NODES).glob("node[0-9]*")
        if (folder / "hugepages").is_dir()
    )


def ksm(root: Path = ROOT) -> dict[str, int]:
    """The numbers in the files of KSM, by their names; none where the kernel has no KSM."""
    found = {file.name: number(file) for file in (root / KSM).glob("*")}
    return {name: value for name, value in found.items() if value is not None}


def ksm_is_advised(root: Path = ROOT) -> bool:
    """Whether the kernel chooses itself how many pages to scan (Linux 6.8 and later)."""
    return "[none]" not in (_text(root / KSM / "advisor_mode") or "[none]")


def meminfo(root: Path = ROOT, node: int | None = None) -> dict[str, int]:
    """The bytes of /proc/meminfo, or of that of a node, by name."""
    path = root / ("proc/meminfo" if node is None else f"{NODES}/node{node}/meminfo")
    return meminfo_in(_text(path) or "")


def pressure(folder: Path, suffix: str = "") -> dict[str, Any]:
    """How long tasks waited for cpu, io and memory; nothing where the kernel does not count it.

    Of a cgroup the files are called `cpu.pressure`, of a machine `cpu`.
    """
    texts = {name: _text(folder / f"{name}{suffix}") for name in ("cpu", "io", "memory")}
    return {name: pressure_in(text) for name, text in texts.items() if text}


def number(path: Path) -> int | None:
    """The number in a file; None where there is no such file, or it has something else in it."""
    text = _text(path)
    return int(text) if text is not None and re.fullmatch(r"-?\d+", text) else None


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return None
