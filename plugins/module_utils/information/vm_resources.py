# SPDX-License-Identifier: GPL-3.0-or-later
"""What a running VM was promised and limited to, what the kernel has for it, and what it uses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..engine import xmltree
from ..engine.promises_held import CORE, KIB
from ..engine.xmltree import Element
from ..host.vm_cgroups import Granted
from ..kinds.vm.promised import promise_of
from .vm_statistics import memory_of

Record = Mapping[str, Any]
WORD_OF_NO_LIMIT = 1 << 53  # bytes; libvirt and the kernel write larger numbers for none


def resources_of(live: Element, record: Record, granted: Granted | None) -> dict[str, Any]:
    """By CPU and memory; what was not declared, or nobody tells, is left out."""
    promise = promise_of(live)
    cpu = _known(
        reservation=_cores(promise.cpu),
        limit=_cpu_limit(live),
        shares=promise.shares or None,
        dedicated=promise.dedicated or None,
        delay_ns=_delay(record),
    )
    memory = _known(
        reservation_bytes=promise.reserved or None,
        limit_bytes=_memory_limit(live),
        locked=live.find("memoryBacking/locked") is not None or None,
        huge_page_bytes=promise.huge_page or None,
        **memory_of(record),
    )
    if granted is None:
        return {"resource_pool": promise.pool, "cpu": cpu, "memory": memory}
    return {
        "resource_pool": promise.pool,
        "cgroup": granted.path,
        "cpu": {**cpu, **_cpu(granted)},
        "memory": {**memory, **_memory(granted)},
        "pressure": granted.pressure,
    }


def _cpu(granted: Granted) -> dict[str, Any]:
    """A limit that there is not is told as null: that the kernel has none is worth knowing."""
    counted = _known(
        weight=granted.weight,
        allowed=granted.cpus or None,
        usage_us=granted.usage_us,
        throttled_us=granted.throttled_us,
    )
    return {"max": granted.cpu_max, **counted}


def _memory(granted: Granted) -> dict[str, Any]:
    counted = _known(
        min_bytes=granted.minimum,
        held_bytes=granted.held,
        current_bytes=granted.current,
        swap_bytes=granted.swap,
        merged_bytes=granted.merged,
    )
    return {"max_bytes": granted.limit, **counted}


def _cores(millicores: int) -> float | None:
    return millicores / CORE if millicores else None


def _cpu_limit(live: Element) -> float | None:
    quota = int(xmltree.get(live, "cputune/global_quota") or 0)
    period = int(xmltree.get(live, "cputune/global_period") or 100_000)
    return round(quota / period, 3) if quota > 0 else None


def _memory_limit(live: Element) -> int | None:
    kib = int(xmltree.get(live, "memtune/hard_limit") or 0)
    return kib * KIB if 0 < kib * KIB < WORD_OF_NO_LIMIT else None


def _delay(record: Record) -> int | None:
    """How long its vCPUs could have run and waited for a processor, which the guest sees as steal.

    The numbers of vCPUs need not follow on each other.
    """
    found = [v for k, v in record.items() if k.startswith("vcpu.") and k.endswith(".delay")]
    return sum(found) if found else None


def _known(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
