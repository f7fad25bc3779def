# SPDX-License-Identifier: GPL-3.0-or-later
"""What is promised, added up: what a host or a pool lacks, and what is left of it.

A part of promises.py, by which it is used.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from .promises_held import (
    CORE,
    CPU,
    FIELDS,
    LIMITS,
    MEMORY,
    MIB,
    Book,
    Free,
    Holder,
    Left,
    Pool,
    Refusal,
    Sum,
    Vm,
    amount_in,
    common_unit,
    cpu_list,
    not_dedicated,
    pages_held,
    reserve,
    shown,
    whole_mib,
)
from .promises_policy import POLICY_FILE, Capacity, Policy

# The most holders that a sum names one by one; of the others it says what they hold together.
MOST_LINES = 40


def sums(capacity: Capacity, policy: Policy, pools: Iterable[Pool], vms: Iterable[Vm]) -> list[Sum]:
    """Everything that may be promised, with who holds it: of the host and of each pool."""
    book = Book(pools, vms)
    kept = reserve(capacity, policy)
    cpus = (
        ("CPUs of the host", len(capacity.cpus) * CORE),
        ("kept for the host (host_reserve.cpu)", -kept.cpu),
    )
    memory = (*_memory(capacity), ("kept for the host (host_reserve.memory)", -kept.memory))
    found = [Sum("", CPU, "cores", cpus, book.holders(CPU, ""))]
    to_be_made = _pages_to_be_made(capacity, book.vms)
    if book.promises_memory or to_be_made:
        holders = (*book.holders(MEMORY, ""), *to_be_made)
        found.append(Sum("", MEMORY, "memory", memory, holders))
    found += _ratios(capacity, policy, sum(amount for _says, amount in memory), book.vms)
    for pool in book.pools.values():
        found += book.of_pool(pool)
    return found


def _memory(capacity: Capacity) -> list[tuple[str, int]]:
    """The host's memory in whole MiB, and what of it is in huge pages."""
    huge = sum(size * count for size, count in capacity.huge_pages.items())
    whole = ("memory of the host", capacity.memory // MIB * MIB)
    return [whole, ("huge pages", -whole_mib(huge))] if huge else [whole]


def _pages_to_be_made(capacity: Capacity, vms: Sequence[Vm]) -> list[Holder]:
    """Huge pages that VMs take beyond those that there are: the host's memory is to become some."""
    found = []
    for size in sorted({vm.huge_page for vm in vms if vm.huge_page}):
        those = [vm for vm in vms if vm.huge_page == size]
        field, there = "memory.huge_pages", capacity.huge_pages.get(size, 0)
        each = tuple(Holder(vm.resource, field, pages_held(vm) * size) for vm in those)
        missing = sum(map(pages_held, those)) - there
        if missing > 0:
            needed = f"{missing} huge pages of {shown(size, 'memory')} beside the {there} there are"
            found.append(Holder("", field, missing * size, needed, each))
    return found


def _ratios(capacity: Capacity, policy: Policy, memory: int, vms: Sequence[Vm]) -> Iterator[Sum]:
    """How much more than there is all VMs may have together, where that is limited."""
    if policy.vcpu_per_core is not None:
        cores = len(capacity.cpus)
        most = (f"{cores} CPUs, {policy.vcpu_per_core:g} vCPUs each (vcpu_per_core)",)
        given = ((*most, int(cores * policy.vcpu_per_core)),)
        holders = tuple(Holder(vm.resource, "cpu.count", vm.vcpus) for vm in vms)
        yield Sum("", "vCPUs", "vCPUs", given, holders)
    if policy.memory_ratio is not None:
        usable = f"{shown(memory, 'memory')} for VMs, times {policy.memory_ratio:g} (memory_ratio)"
        given = ((usable, int(memory * policy.memory_ratio) // MIB * MIB),)
        small = [vm for vm in vms if not vm.huge_page]
        holders = tuple(Holder(vm.resource, "memory.size", vm.memory) for vm in small)
        yield Sum("", "memory of VMs", "memory", given, holders)


# ---- what cannot be promised


def refusals(
    capacity: Capacity,
    policy: Policy,
    pools: Iterable[Pool],
    vms: Iterable[Vm],
    asking: Sequence[str] = (),
    before: tuple[Iterable[Pool], Iterable[Vm]] | None = None,
) -> list[Refusal]:
    """What cannot be promised of all that is held, each with its sum line by line.

    Only those are blamed that ask now (`vm/web`, `resource_pool/gold`; all, if none are named), and
    only for what they ask. Where it is said what was held `before`, what is not worse by now is let
    be: who gives back a part of too much is not refused.
    """
    pools, vms = list(pools), list(vms)
    was: dict[tuple[str, str], int] = {}
    clashed: set[str] = set()
    if before is not None:
        held = list(before[1])
        was = {(s.place, s.what): s.rest for s in sums(capacity, policy, before[0], held)}
        clashed = {one.message for one in _clashes(capacity, held, ())}
    found = []
    for one in sums(capacity, policy, pools, vms):
        if one.rest < min(0, was.get((one.place, one.what), 0)):
            found += _refused(one, asking)
    clashes = _clashes(capacity, vms, asking)
    return found + [one for one in clashes if one.message not in clashed]


def _refused(one: Sum, asking: Sequence[str]) -> list[Refusal]:
    """The first that asks for more than is left: those that hold already are not asked again."""
    holds: dict[str, list[Holder]] = {}
    for holder in (h for at in one.holders for h in at.asked_for() if h.amount):
        holds.setdefault(holder.resource, []).append(holder)
    those = [_together(holds[name]) for name in asking or holds if name in holds]
    left = one.rest + sum(h.amount for h in those)
    for holder in those:
        left -= holder.amount
        if left < 0:
            return [Refusal(holder.resource, holder.field, _told(one, holder, asking))]
    pool = f"resource_pool/{one.place}"
    if one.place and pool in asking:  # it shrinks, and those in it stay as they are
        holder = Holder(pool, LIMITS.get(one.what) or FIELDS[one.what], one.given[0][1])
        return [Refusal(pool, holder.field, _told(one, holder, asking))]
    return []


def _together(holders: Sequence[Holder]) -> Holder:
    """What one holds of a sum, perhaps in two ways, named by the greater."""
    most = max(holders, key=lambda h: h.amount)
    return most._replace(amount=sum(h.amount for h in holders))


def _told(one: Sum, holder: Holder, asking: Sequence[str]) -> str:
    """A sum, line by line, in one unit throughout so that the lines can be added up."""
    lines = [*one.given, *_held_lines(one, asking)]
    unit = common_unit(one.unit, [amount for _says, amount in lines])
    place = f"resource_pool/{one.place}" if one.place else "the host"
    rows = [(amount_in(amount, unit), says) for says, amount in lines]
    rows.append((amount_in(one.rest, unit), "left"))
    width = max(len(amount) for amount, _says in rows)
    missing = amount_in(-one.rest, unit)
    asked = amount_in(abs(holder.amount), unit)
    head = f"{asked} {unit} cannot be promised: {place} lacks {missing} {unit}"
    said = [f"  {amount.rjust(width)} {unit}  {says}" for amount, says in rows]
    return "\n".join([head, *said, _advice(one)])


def _held_lines(one: Sum, asking: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Who holds, those that ask last; of very many, the small ones in one line."""
    asks = set(asking)
    by_size = sorted(one.holders, key=lambda h: (h.resource in asks, h.amount), reverse=True)
    named = set(by_size[:MOST_LINES])
    others = [h for h in one.holders if h not in named]
    if others:
        yield f"{len(others)} others, with less each", -sum(h.amount for h in others)
    for is_asked in (False, True):
        for h in one.holders:
            if h in named and (h.resource in asks) == is_asked:
                says = f"{h.resource}: {h.says}" if h.resource and h.says else h.resource or h.says
                yield f"{says} (asked for now)" if is_asked else says, -h.amount


def _advice(one: Sum) -> str:
    if one.place:
        more = f"give resource_pool/{one.place} more"
    else:
        more = f"keep less for the host or allow more ({POLICY_FILE})"
    return f"Ask for less, take it from others, {more}, or run with admission: warn"


def _clashes(capacity: Capacity, vms: Sequence[Vm], asking: Sequence[str]) -> list[Refusal]:
    """CPUs that are dedicated, and are not there, are another's, or the last ones."""
    found = []
    for vm in vms:
        if not vm.cpus or (asking and vm.resource not in asking):
            continue
        field = "cpu.dedicated" if vm.dedicated else "cpu.pinning"
        mine = set(vm.cpus)
        absent = mine - set(capacity.cpus)
        if vm.dedicated and absent and capacity.cpus:
            said = f"the host has no CPU {cpu_list(absent)}; it has {cpu_list(capacity.cpus)}"
            found.append(Refusal(vm.resource, field, said))
        for other in vms:
            shared = mine & set(other.cpus)
            if shared and other.name != vm.name and (vm.dedicated or other.dedicated):
                found.append(Refusal(vm.resource, field, _taken(shared, other)))
        if vm.dedicated and capacity.cpus and not not_dedicated(capacity, vms):
            said = "no CPU is left for the host, other VMs and what QEMU does beside its vCPUs"
            found.append(Refusal(vm.resource, field, f"{said}; dedicate fewer"))
    return found


def _taken(cpus: Iterable[int], other: Vm) -> str:
    how = "dedicated to" if other.dedicated else "what vCPUs are pinned to of"
    return f"CPU {cpu_list(cpus)} is {how} {other.resource} already; take others"


# ---- what is left


def free(capacity: Capacity, policy: Policy, pools: Iterable[Pool], vms: Iterable[Vm]) -> Free:
    """What of a host and of each of its pools can still be promised."""
    book = Book(pools, vms)
    kept = reserve(capacity, policy)
    usable = sum(amount for _says, amount in _memory(capacity)) - kept.memory
    held = {what: sum(h.amount for h in book.holders(what, "")) for what in (CPU, MEMORY)}
    to_be_made = sum(h.amount for h in _pages_to_be_made(capacity, book.vms))
    memory_left = usable - held[MEMORY] - to_be_made
    left = Left(len(capacity.cpus) * CORE - kept.cpu - held[CPU], memory_left)
    pages = dict(capacity.huge_pages)
    for vm in book.vms:
        if vm.huge_page:
            pages[vm.huge_page] = pages.get(vm.huge_page, 0) - pages_held(vm)
    pages = {size: max(count, 0) for size, count in pages.items()}
    vcpus = sum(vm.vcpus for vm in book.vms)
    memory = sum(vm.memory for vm in book.vms if not vm.huge_page)
    return Free(
        *left,
        pages,
        {path: _left_in(book, pool, left) for path, pool in book.pools.items()},
        kept,
        vcpus,
        round(vcpus / max(len(capacity.cpus), 1), 3),
        round(memory / max(usable, 1), 3),
    )


def _left_in(book: Book, pool: Pool, host: Left) -> Left:
    """What can still be promised in a pool: its own rest, what it can borrow, up to its limit."""
    above = book.above(pool.path.rpartition("/")[0])
    most = _left_in(book, book.pools[above], host) if above else host
    left = []
    for what, own, limit, there in (
        (CPU, pool.cpu, pool.cpu_limit, most.cpu),
        (MEMORY, pool.memory, pool.memory_limit, most.memory),
    ):
        inside = sum(h.amount for h in book.holders(what, pool.path))
        rest = own - inside
        if pool.expandable:
            rest = max(rest, 0) + there
        left.append(min(rest, limit - inside) if limit else rest)
    return Left(*left)
