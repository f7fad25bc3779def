# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host has, and what it is set to promise of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

STRICT, WARN, OFF = "strict", "warn", "off"
ADMISSIONS = (STRICT, WARN, OFF)
POLICY_FILE = "/etc/kvm-fleet/admission.json"


class Capacity(NamedTuple):
    """What a host has."""

    cpus: tuple[int, ...] = ()  # the numbers of those that are online
    memory: int = 0  # bytes, MemTotal: what is in huge pages is a part of it
    huge_pages: Mapping[int, int] = {}  # bytes of one page: how many there are
    cells: tuple[tuple[int, tuple[int, ...], int], ...] = ()  # (number, CPUs, bytes) of NUMA


class Policy(NamedTuple):
    """What a host's admission is set to; None is the default, or no ratio."""

    admission: str = STRICT
    reserve_cpu: int | None = None  # millicores
    reserve_memory: int | None = None  # bytes
    vcpu_per_core: float | None = None
    memory_ratio: float | None = None
