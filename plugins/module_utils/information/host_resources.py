# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host can promise to VMs and has promised, and how its memory is used."""

from __future__ import annotations

from typing import Any

from ..engine.promises_held import (
    CORE,
    Free,
    Left,
    reserve,
)
from ..engine.promises_policy import Capacity, Policy
from ..engine.units import format_size
from ..host import machine_memory
from ..host.connection import Host, libvirt
from ..host.kernel_memory import HugePages
from ..host.promised import read_capacity, read_promises
from ..kinds.host_memory.declared import KSM_FILES, shown

SMALL_PAGE = 4096  # of which KSM counts
# What KSM has merged: pages that are there once instead of many times, and those many.
MERGED = {"shared_bytes": "pages_shared", "saved_bytes": "pages_sharing"}
OF_LIBVIRT = "shm_"  # how libvirt calls the same (virNodeGetMemoryParameters)


def told(host: Host, with_held: bool) -> dict[str, Any]:
    """All of it; what VMs hold only where that is asked for, since each has to be looked at."""
    local = host.is_local
    return {
        "promises": _promises(host, with_held),
        "huge_pages": _huge_pages(host),
        "ksm": ksm_of(machine_memory.ksm()) if local else _ksm_from_afar(host),
        "pressure": machine_memory.pressure(machine_memory.PRESSURE) if local else {},
    }


# ---- promises


def _promises(host: Host, with_held: bool) -> dict[str, Any]:
    capacity, known = read_capacity(host), read_promises(host)
    policy = Policy(**known["policy"]) if known else Policy()
    found = {
        "capacity": capacity_of(capacity, policy),
        "policy": policy_of(policy) if known else None,
        "enforced_by": known and {name: known[name] for name in ("hook", "cgroup", "systemd")},
        "faults": _faults(known),
    }
    if not with_held:
        return found
    from ..engine.promises_summed import free
    from ..kinds.together.admission import held_before
    from ..run.reading import world_of

    held = held_before(world_of(host, ()))
    return {**found, **free_of(capacity, free(capacity, policy, held.pools, held.vms))}


def _faults(known: dict[str, Any] | None) -> list[str]:
    """What went wrong since it was last told, and what is wrong with the policy."""
    if known is None:
        return []
    return [*([known["error"]] if known["error"] else []), *known["faults"]]


def capacity_of(capacity: Capacity, policy: Policy) -> dict[str, Any]:
    """What there is, what of it is in huge pages, and what is kept for the host itself."""
    kept = reserve(capacity, policy)
    return {
        "cpu": len(capacity.cpus),
        "memory_bytes": capacity.memory,
        "huge_pages_bytes": sum(size * count for size, count in capacity.huge_pages.items()),
        "reserve": _amounts(kept),
    }


def policy_of(policy: Policy) -> dict[str, Any]:
    """What is admitted."""
    return {
        "admission": policy.admission,
        "vcpu_per_core": policy.vcpu_per_core,
        "memory_ratio": policy.memory_ratio,
    }


def free_of(capacity: Capacity, left: Free) -> dict[str, Any]:
    """What is held and what is free, and how much runs on what there is."""
    huge = sum(size * count for size, count in capacity.huge_pages.items())
    cpu = len(capacity.cpus) * CORE - left.reserve.cpu - left.cpu
    memory = capacity.memory - huge - left.reserve.memory - left.memory
    return {
        "held": _amounts(Left(cpu, memory)),
        "free": {
            **_amounts(Left(left.cpu, left.memory)),
            "huge_pages": {format_size(size): count for size, count in left.huge_pages.items()},
            "resource_pools": {path: _amounts(rest) for path, rest in left.pools.items()},
        },
        "consolidation": {
            "vcpus": left.vcpus,
            "vcpu_per_core": left.vcpu_per_core,
            "memory_ratio": left.memory_ratio,
        },
    }


def _amounts(left: Left) -> dict[str, Any]:
    return {"cpu": left.cpu / CORE, "memory_bytes": left.memory}


# ---- memory


def _huge_pages(host: Host) -> list[dict[str, Any]]:
    """By size, and on this machine by node too; elsewhere libvirt tells how many there are."""
    if host.is_local:
        return [pages_of(one) for one in machine_memory.huge_pages()]
    there = read_capacity(host).huge_pages
    return [{"size": format_size(size), "node": None, "total": n} for size, n in there.items()]


def pages_of(pages: HugePages) -> dict[str, Any]:
    """Of a size and node, None of which is all of them."""
    return {
        "size": format_size(pages.size),
        "node": pages.node,
        "total": pages.total,
        "free": pages.total - pages.used,
        "used": pages.used,
    }


def ksm_of(numbers: dict[str, int]) -> dict[str, Any]:
    """How equal pages are merged, in the words of host_memory, and what that has come to."""
    settings = {
        name: shown(("ksm", name), numbers[file])
        for name, file in KSM_FILES.items()
        if file in numbers
    }
    merged = {name: numbers[of] * SMALL_PAGE for name, of in MERGED.items() if of in numbers}
    return {**settings, **merged}


def _ksm_from_afar(host: Host) -> dict[str, Any]:
    """libvirt tells all but whether it runs; nothing where its driver knows no KSM."""
    try:
        numbers = host.conn.getMemoryParameters()
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_NO_SUPPORT:
            raise
        return {}
    return ksm_of({name[len(OF_LIBVIRT) :]: int(number) for name, number in numbers.items()})
