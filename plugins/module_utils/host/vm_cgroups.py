# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel grants a running VM and has counted of it, from the files of its cgroup (v2)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

from . import cgroups
from .capacity import SYSTEM, Places, text_of
from .machine_memory import pressure

SMALL_PAGE = 4096  # of which KSM counts


class Granted(NamedTuple):
    """Limits, weights and counts. None: the kernel does not tell, or there is no such limit."""

    path: str
    weight: int | None
    cpu_max: float | None  # cores
    cpus: str  # as the kernel lists them
    usage_us: int | None
    throttled_us: int | None
    minimum: int | None  # bytes, as all below
    held: int | None  # the least that it and all around it have as their minimum
    limit: int | None
    current: int | None
    swap: int | None
    merged: int | None
    pressure: dict[str, Any]


def read_granted(name: str, places: Places = SYSTEM) -> Granted | None:
    """Of a VM of the system's daemon on this machine; None where it has no cgroup of its own.

    libvirt has a level of its own below the VM's scope, and what either limits is limited.
    """
    scope = cgroups.scope_of_vm(places, name)
    if not scope:
        return None
    folder = places.cgroup + scope
    has = cgroups.held(places, scope)
    around = [cgroups.held(places, path).minimum or 0 for path in cgroups.parents_of(scope)]
    counted = [_flat(text_of(f"{one}/cpu.stat")) for one in (folder, f"{folder}/libvirt")]
    merged = _number(f"{places.proc}/{_pid(places, name)}/ksm_merging_pages")
    return Granted(
        path=scope,
        weight=has.weight,
        cpu_max=_least(_cores(text_of(f"{one}/cpu.max")) for one in (folder, f"{folder}/libvirt")),
        cpus=text_of(f"{folder}/cpuset.cpus.effective").strip(),
        usage_us=counted[0].get("usage_usec"),
        throttled_us=_sum(one.get("throttled_usec") for one in counted),
        minimum=has.minimum,
        held=None if has.minimum is None else min([has.minimum, *around]),
        limit=_least(_number(f"{one}/memory.max") for one in (folder, f"{folder}/libvirt")),
        current=_number(f"{folder}/memory.current"),
        swap=_number(f"{folder}/memory.swap.current"),
        merged=None if merged is None else merged * SMALL_PAGE,
        pressure=pressure(Path(folder), ".pressure"),
    )


def _pid(places: Places, name: str) -> str:
    return text_of(f"{places.pid_files}/{name}.pid").strip()


def _number(path: str) -> int | None:
    """The number in a file; None of `max`, and where there is no such file."""
    text = text_of(path).strip()
    return int(text) if text.isdigit() else None


def _cores(text: str) -> float | None:
    found = re.fullmatch(r"(\d+) (\d+)", text.strip())
    return int(found[1]) / int(found[2]) if found else None


def _flat(text: str) -> dict[str, int]:
    return {name: int(value) for name, value in re.findall(r"^(\w+) (\d+)$", text, re.MULTILINE)}


def _least(values: Any) -> Any:
    return min((value for value in values if value is not None), default=None)


def _sum(values: Any) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
