# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel is told of all promises: weights, minimums, and CPUs to keep off.

A part of promises.py, by which it is used.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from .promises_held import (
    CORE,
    CPU,
    LEAST_WEIGHT,
    MOST_WEIGHT,
    USUAL_WEIGHT,
    WEIGHT_OF_MILLICORE,
    Book,
    Pool,
    Vm,
    cpu_held,
    memory_held,
    not_dedicated,
    reserve,
)
from .promises_policy import Capacity, Policy


def weights(
    capacity: Capacity, policy: Policy, pools: Iterable[Pool], vms: Iterable[Vm]
) -> dict[str, int]:
    """CPUWeight by unit, `vm/NAME`, `pool/PATH` and `machine`, so that each gets what it reserved.

    Weights only count among siblings, and when all of them are busy. Dedicated CPUs are no part of
    what the others share.
    """
    book = Book(pools, vms)
    whole, kept = len(capacity.cpus) * CORE, reserve(capacity, policy).cpu
    # Against system.slice and user.slice, of USUAL_WEIGHT each.
    machine = 2 * USUAL_WEIGHT * (whole - kept) / kept if kept else MOST_WEIGHT
    found = {"machine": _weight(machine)}
    for path in ("", *book.pools):
        there = book.of_parent(CPU, book.pools[path]).amount if path else whole - kept
        found.update(_shared_out(_siblings(book, path), there))
    return found


class _Sibling(NamedTuple):
    unit: str
    shares: int
    cpu: int
    dedicated: bool = False


def _siblings(book: Book, path: str) -> list[_Sibling]:
    pools = [
        _Sibling(f"pool/{pool.path}", pool.shares, book.of_parent(CPU, pool).amount)
        for pool in book.pools_in(path)
    ]
    vms = book.inside(path)
    return pools + [_Sibling(vm.resource, vm.shares, cpu_held(vm), vm.dedicated) for vm in vms]


def _shared_out(siblings: Sequence[_Sibling], there: int) -> dict[str, int]:
    """The weights of siblings that share so many millicores.

    Who reserves r weighs r * k, or its own shares where they are more, and then the others have to
    weigh more as well. With S for the weights that are fixed and A for what is there, each gets its
    r if k is S / (A - R) or more; each weight that is rounded up adds at most 1 to S.
    """
    there -= sum(one.cpu for one in siblings if one.dedicated)
    fixed = sum(one.shares or USUAL_WEIGHT for one in siblings if not one.cpu)
    sharing = [one for one in siblings if one.cpu and not one.dedicated]
    floating = sorted(sharing, key=lambda one: one.shares / one.cpu)
    k = _each(fixed, floating, there)
    while floating and floating[-1].shares > floating[-1].cpu * k:
        fixed += floating.pop().shares
        k = _each(fixed, floating, there)
    wanted = {
        one.unit: max(one.shares, one.cpu * k) if one.cpu else one.shares or USUAL_WEIGHT
        for one in siblings
    }
    scale = min(1.0, MOST_WEIGHT / max(wanted.values(), default=MOST_WEIGHT))
    return {one.unit: _weight(wanted[one.unit] * scale, up=bool(one.cpu)) for one in siblings}


def _each(fixed: int, floating: Sequence[_Sibling], there: int) -> float:
    """What a reserved millicore has to weigh at least."""
    rest = there - sum(one.cpu for one in floating)
    least = (fixed + len(floating)) / rest if rest > 0 else float(MOST_WEIGHT)
    return max(WEIGHT_OF_MILLICORE, least if fixed else 0.0)


def _weight(weight: float, up: bool = False) -> int:
    whole = int(weight)
    return min(max(whole + (up and weight > whole), LEAST_WEIGHT), MOST_WEIGHT)


def minimums(pools: Iterable[Pool], vms: Iterable[Vm]) -> dict[str, int]:
    """MemoryMin by unit, `vm/NAME`, `pool/PATH` and `machine`, in bytes.

    What is above has to have the sum of what is in it: without that, nothing is protected.
    """
    book = Book(pools, vms)
    found = {vm.resource: memory_held(vm) if vm.reserved else 0 for vm in book.vms}

    def of(path: str) -> int:
        inside = sum(found[vm.resource] for vm in book.inside(path))
        for pool in book.pools_in(path):
            found[f"pool/{pool.path}"] = max(pool.memory, of(pool.path))
            inside += found[f"pool/{pool.path}"]
        return inside

    found["machine"] = of("")
    return found


def fences(capacity: Capacity, vms: Iterable[Vm]) -> dict[str, tuple[int, ...]]:
    """AllowedCPUs by unit (`vm/NAME`) of those VMs that are kept off the CPUs of others.

    One with CPUs of its own has threads beside its vCPUs, which run on what is nobody's.
    """
    vms = list(vms)
    shared, there = set(not_dedicated(capacity, vms)), set(capacity.cpus)
    found = {}
    for vm in vms:
        allowed = shared | (set(vm.cpus) & there if vm.dedicated else set())
        if allowed and allowed != there:
            found[vm.resource] = tuple(sorted(allowed))
    return found
