# SPDX-License-Identifier: GPL-3.0-or-later
"""What VMs and pools hold of a host: the words of all that is promised, and who holds what of whom.

A part of promises.py, by which it is used.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from .promises_policy import Capacity, Policy

CORE = 1000  # millicores
KIB, MIB, GIB = 2**10, 2**20, 2**30

# What is a weight by default (systemd's CPUWeight), and what it can be.
USUAL_WEIGHT, LEAST_WEIGHT, MOST_WEIGHT = 100, 1, 10000
# What a reserved millicore weighs at least, so that a core is worth what a VM without a weight is.
WEIGHT_OF_MILLICORE = 0.1

# What QEMU takes beside the guest's memory: see overhead().
QEMU_ITSELF, EACH_VCPU = 56 * MIB, 8 * MIB
TABLE_ENTRIES = 2 * 8  # bytes for each page
SMALL_PAGE = 4 * KIB

# What is left to the host by default: libvirtd, sshd, the kernel's threads and interrupts take a
# part of a core for every few that there are; its own memory, page cache and slabs grow with it.
RESERVE_CPU_STEP, RESERVE_CPUS_OF_STEP, MOST_RESERVE_CPU = 100, 4, CORE
LEAST_RESERVE_MEMORY, MOST_RESERVE_MEMORY, RESERVE_MEMORY_PART = 256 * MIB, 4 * GIB, 20


MOST = 2.0**53  # more KiB or cores than this no host has


def number_in(text: str | None) -> float:
    """What our own record says; nothing, where somebody has written something else into it."""
    try:
        number = float(text or 0)
    except ValueError:
        return 0.0
    return number if 0 <= number < MOST else 0.0


class Vm(NamedTuple):
    """What a VM has and holds, which runs, starts with its host or is declared."""

    name: str
    uuid: str = ""
    pool: str = ""
    vcpus: int = 1
    memory: int = 0  # bytes that it may have: memory.maximum, what can be hot-plugged included
    cpu: int = 0  # millicores that are reserved
    shares: int = 0  # 0: none are declared
    reserved: int = 0  # bytes of its memory
    huge_page: int = 0  # bytes of one; 0 of a VM that is on none
    dedicated: bool = False
    cpus: tuple[int, ...] = ()  # host CPUs that its vCPUs are pinned to one by one

    @property
    def resource(self) -> str:
        return f"vm/{self.name}"


class Pool(NamedTuple):
    """What a resource pool is set to; 0 is nothing, and no limit."""

    path: str
    cpu: int = 0
    cpu_limit: int = 0
    shares: int = 0
    memory: int = 0
    memory_low: int = 0
    memory_limit: int = 0
    expandable: bool = False

    @property
    def resource(self) -> str:
        return f"resource_pool/{self.path}"


class Refusal(NamedTuple):
    """Why a promise cannot be made; the message has several lines, the sum."""

    resource: str
    field: str
    message: str


class Left(NamedTuple):
    """What of something is not promised yet; below 0 where too much is."""

    cpu: int
    memory: int


class Free(NamedTuple):
    """What of a host is not promised yet, and how much runs on what there is."""

    cpu: int
    memory: int
    huge_pages: Mapping[int, int]  # bytes of one page: how many are left
    pools: Mapping[str, Left]
    reserve: Left  # what is kept for the host itself
    vcpus: int  # of all VMs together
    vcpu_per_core: float
    memory_ratio: float  # memory of all VMs to what the host has for them


# ---- one VM, one host


def overhead(vm: Vm) -> int:
    """The bytes that QEMU needs beside the guest's memory, in whole MiB.

    QEMU itself 56 MiB, 8 MiB for each vCPU, as KubeVirt reckons (GetMemoryOverhead), and 8 bytes
    for each page in both QEMU's page tables and KVM's, which Linux charges to the same cgroup.
    Measured for 256 MiB and one vCPU: 40 to 49 MiB with QEMU 7.2, 64 MiB with QEMU 10. With less
    than it takes, pages of the guest's would be reclaimed for QEMU's.
    """
    tables = vm.memory * TABLE_ENTRIES // (vm.huge_page or SMALL_PAGE)
    return whole_mib(QEMU_ITSELF + EACH_VCPU * vm.vcpus + tables)


def reserve(capacity: Capacity, policy: Policy) -> Left:
    """What is kept for the host itself: as its policy says, or by its size."""
    steps = -(-len(capacity.cpus) // RESERVE_CPUS_OF_STEP)
    cpu = min(max(steps, 1) * RESERVE_CPU_STEP, MOST_RESERVE_CPU)
    part = min(capacity.memory // RESERVE_MEMORY_PART, MOST_RESERVE_MEMORY)
    memory = whole_mib(max(part, LEAST_RESERVE_MEMORY))
    return Left(
        cpu if policy.reserve_cpu is None else policy.reserve_cpu,
        memory if policy.reserve_memory is None else policy.reserve_memory,
    )


def whole_mib(size: int) -> int:
    return -(-size // MIB) * MIB


def cpu_held(vm: Vm) -> int:
    """The millicores that are nobody else's: those reserved, or the CPUs that are dedicated."""
    return max(vm.vcpus, len(set(vm.cpus))) * CORE if vm.dedicated else vm.cpu


def memory_held(vm: Vm) -> int:
    """The bytes that nobody else gets, beside huge pages; QEMU's own are needed in any case."""
    return overhead(vm) + (0 if vm.huge_page else vm.reserved)


def pages_held(vm: Vm) -> int:
    """How many huge pages it takes, which is all of its memory, reserved or not."""
    return -(-vm.memory // vm.huge_page) if vm.huge_page else 0


def not_dedicated(capacity: Capacity, vms: Iterable[Vm]) -> list[int]:
    taken = {cpu for vm in vms if vm.dedicated for cpu in vm.cpus}
    return [cpu for cpu in capacity.cpus if cpu not in taken]


# ---- as it is shown


def shown(amount: int, unit: str) -> str:
    """An amount with its unit: `1.5 cores`, `512 MiB`."""
    common = common_unit(unit, [amount])
    return f"{amount_in(amount, common)} {common}"


def common_unit(unit: str, amounts: Sequence[int]) -> str:
    """The largest unit in which all of these can be said exactly."""
    if unit != "memory":
        return unit
    sizes = (("MiB", MIB), ("KiB", KIB))
    return next((name for name, size in sizes if not any(a % size for a in amounts)), "B")


def amount_in(amount: int, unit: str) -> str:
    if unit == "cores":
        whole, part = divmod(abs(amount), CORE)
        text = f"{whole}.{part:03d}".rstrip("0").rstrip(".")
        return f"-{text}" if amount < 0 else text
    return str(amount // {"MiB": MIB, "KiB": KIB}.get(unit, 1))


def cpu_list(cpus: Iterable[int]) -> str:
    """CPUs as libvirt and Linux write them: `0-2,7`."""
    parts: list[list[int]] = []
    for cpu in sorted(set(cpus)):
        if parts and parts[-1][1] == cpu - 1:
            parts[-1][1] = cpu
        else:
            parts.append([cpu, cpu])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in parts)


# ---- who holds what of whom

CPU, MEMORY = "CPU", "memory"
FIELDS = {CPU: "cpu.reservation", MEMORY: "memory.reservation"}
WITHIN_LIMIT = " within its limit"
LIMITS = {CPU + WITHIN_LIMIT: "cpu.limit", MEMORY + WITHIN_LIMIT: "memory.limit"}


class Holder(NamedTuple):
    """What one holds of a host or pool, and for whom: a pool may hold for those that are in it."""

    resource: str
    field: str
    amount: int
    says: str = ""
    inside: tuple[Holder, ...] = ()

    def asked_for(self) -> Iterator[Holder]:
        """Those because of whom this is held."""
        if self.resource:
            yield self
        for one in self.inside:
            yield from one.asked_for()


class Sum(NamedTuple):
    """What there is of something, who holds it, and so what is left."""

    place: str  # the path of a pool; empty of the host
    what: str  # as in: the host's memory
    unit: str  # cores, memory or vCPUs
    given: tuple[tuple[str, int], ...]
    holders: tuple[Holder, ...]

    @property
    def rest(self) -> int:
        return sum(amount for _says, amount in self.given) - sum(h.amount for h in self.holders)


class Book:
    """Who is in which pool, and holds what there."""

    def __init__(self, pools: Iterable[Pool], vms: Iterable[Vm]) -> None:
        self.pools = {pool.path: pool for pool in sorted(pools)}
        self.vms = sorted(vms)
        self._vms: dict[str, list[Vm]] = {}
        for vm in self.vms:
            self._vms.setdefault(self.above(vm.pool), []).append(vm)
        self._pools: dict[str, list[Pool]] = {}
        for pool in self.pools.values():
            self._pools.setdefault(self.above(pool.path.rpartition("/")[0]), []).append(pool)

    @property
    def promises_memory(self) -> bool:
        """Whether any memory is promised: what QEMU needs itself breaks no promise without."""
        return any(vm.reserved for vm in self.vms) or any(p.memory for p in self.pools.values())

    def above(self, path: str) -> str:
        """The nearest pool that there is: a slice that nobody made holds and limits nothing."""
        while path and path not in self.pools:
            path = path.rpartition("/")[0]
        return path

    def inside(self, path: str) -> list[Vm]:
        """The VMs that hold of a pool. What holds nothing of its own is the host's affair."""
        return self._vms.get(path, [])

    def pools_in(self, path: str) -> list[Pool]:
        return self._pools.get(path, [])

    def holders(self, what: str, path: str) -> tuple[Holder, ...]:
        """Who holds CPU or memory of a pool, or of the host."""
        pools = [self.of_parent(what, pool) for pool in self.pools_in(path)]
        vms = [
            _cpu(vm) if what == CPU else _memory_of(vm)
            for vm in self.inside(path)
            if _has(what, vm)
        ]
        others = self._unreserved() if what == MEMORY and not path else ()
        return tuple(one for one in (*pools, *vms, *others) if one.amount)

    def _unreserved(self) -> Iterator[Holder]:
        """QEMU's own memory of all VMs that reserve none, in one."""
        each = [Holder(vm.resource, "memory", overhead(vm)) for vm in self.vms if not vm.reserved]
        if each:
            amount = sum(one.amount for one in each)
            says = f"QEMU itself, of those that reserve no memory ({len(each)})"
            yield Holder("", "", amount, says, tuple(each))

    def of_parent(self, what: str, pool: Pool) -> Holder:
        """What a pool holds of what it is in: its reservation, and what it borrows."""
        own = pool.cpu if what == CPU else pool.memory
        inside = self.holders(what, pool.path) if pool.expandable else ()
        amount = max(own, sum(one.amount for one in inside))
        borrows = f"reserves {shown(own, unit_of(what))}, and borrows" if amount > own else ""
        return Holder(pool.resource, FIELDS[what], amount, borrows, inside if amount > own else ())

    def of_pool(self, pool: Pool) -> Iterator[Sum]:
        """What may be held of a pool, where its reservation or a limit ends that."""
        for what, own, limit in (
            (CPU, pool.cpu, pool.cpu_limit),
            (MEMORY, pool.memory, pool.memory_limit),
        ):
            holders = self.holders(what, pool.path)
            unit = unit_of(what)
            if holders and not pool.expandable:
                given = ((f"reservation of {pool.resource}, which is not expandable", own),)
                yield Sum(pool.path, what, unit, given, holders)
            if holders and limit:
                given = ((f"limit of {pool.resource}", limit),)
                yield Sum(pool.path, what + WITHIN_LIMIT, unit, given, holders)


def _has(what: str, vm: Vm) -> bool:
    return bool(cpu_held(vm)) if what == CPU else bool(vm.reserved)


def _cpu(vm: Vm) -> Holder:
    field = "cpu.dedicated" if vm.dedicated else FIELDS[CPU]
    return Holder(vm.resource, field, cpu_held(vm), "dedicated" if vm.dedicated else "")


def _memory_of(vm: Vm) -> Holder:
    own = shown(overhead(vm), "memory")
    on_pages = f"QEMU itself; its {shown(vm.reserved, 'memory')} are in huge pages"
    says = on_pages if vm.huge_page else f"{shown(vm.reserved, 'memory')}, and {own} for QEMU"
    return Holder(vm.resource, FIELDS[MEMORY], memory_held(vm), says)


def unit_of(what: str) -> str:
    return "cores" if what == CPU else "memory"
