# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host has promised to its VMs, added up: the one arithmetic for plans and for starts.

Pure, and of the standard library alone: the role installs this file and those that it imports on
hosts, where libvirt's hook imports it at each start of a VM, so they import as little as they can.
CPU is in millicores, memory in bytes. Pools are named by their path, `gold/inner`.
"""

from __future__ import annotations

from .promises_held import (
    CORE,
    GIB,
    KIB,
    MIB,
    Free,
    Left,
    Pool,
    Refusal,
    Sum,
    Vm,
    cpu_held,
    cpu_list,
    memory_held,
    overhead,
    pages_held,
    reserve,
    shown,
)
from .promises_kernel import fences, minimums, weights
from .promises_policy import (
    ADMISSIONS,
    OFF,
    STRICT,
    WARN,
    Capacity,
    Policy,
)
from .promises_summed import free, refusals, sums

__all__ = (
    "ADMISSIONS",
    "CORE",
    "GIB",
    "KIB",
    "MIB",
    "OFF",
    "STRICT",
    "WARN",
    "Capacity",
    "Free",
    "Left",
    "Policy",
    "Pool",
    "Refusal",
    "Sum",
    "Vm",
    "cpu_held",
    "cpu_list",
    "fences",
    "free",
    "memory_held",
    "minimums",
    "overhead",
    "pages_held",
    "refusals",
    "reserve",
    "shown",
    "sums",
    "weights",
)
