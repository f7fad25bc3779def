# SPDX-License-Identifier: GPL-3.0-or-later
"""CPUs of a VM's own: which of the host each vCPU gets, and where its other threads run.

A VM that has its CPUs keeps them. New ones are of the NUMA nodes on which its memory is placed, of
one node where one has enough, whole cores before threads of cores in use, and that of CPU 0 last,
on which a host does most for itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from ...engine import xmltree
from ...engine.codecs import Value
from ...engine.cpu_lists import cpus_in, listed
from ...engine.errors import Mistakes
from ...engine.hidden import revealed
from ...engine.keys import Key, Values, is_within, named
from ...engine.nodes import Cell
from ...engine.plan import Have
from ...engine.world import World
from ...engine.xmltree import Element
from .cpu_time import DEDICATED
from .numa_placement import NODES
from .pinning import EMULATOR, IOTHREADS, VCPUS, iothreads_of
from .promised import promise_of

MAXIMUM = ("cpu", "maximum")
NONE: Values = {VCPUS: {}, EMULATOR: "", IOTHREADS: {}}
FIRST_CPU = 0
Owners = Mapping[int, str]  # of CPUs that others have, whose each is


@dataclass
class Wanted:
    """What a VM is to have, and what it has."""

    name: str
    values: dict[Key, Value]
    stored: Values

    def will_be(self, key: Key) -> Value:
        """A value as it is declared, or as it is."""
        return self.values.get(key, self.stored.get(key))

    @property
    def vcpus(self) -> list[str]:
        """All that it can have."""
        return [str(number) for number in range(self.will_be(MAXIMUM) or 1)]

    @property
    def is_concerned(self) -> bool:
        """Whether anything changes on which its pins hang."""
        return any(
            self.stored.get(key) != value
            for key, value in self.values.items()
            if is_within(key, ("cpu",)) or key == ("extra_xml",)
        )


def resolve(
    name: str,
    values: dict[Key, Value],
    stored: Values,
    domain: Element | None,
    world: World,
    mistakes: Mistakes,
) -> None:
    """Add the pins of a VM with CPUs of its own, and take them away where it is to have none."""
    vm = Wanted(name, values, stored)
    if not vm.will_be(DEDICATED):
        if stored.get(DEDICATED):
            values.update({key: none for key, none in NONE.items() if key not in values})
        return
    if not vm.is_concerned:
        return
    cells = world.host.cells
    if not any(cell.cores for cell in cells):
        message = "the CPUs of this host are not known, so none can be chosen"
        mistakes.add(message, named(DEDICATED))
        return
    taken = taken_by(have for other, have in world.everything("vm").items() if other != name)
    own = _declared(vm, mistakes) if values.get(VCPUS) else _chosen(vm, cells, taken, mistakes)
    if own:
        values[VCPUS] = own
        _put_others(vm, _threads(values, domain), _left(cells, own, taken), mistakes)


def taken_by(others: Iterable[Have]) -> dict[int, str]:
    """The CPUs that other VMs have alone, and who has each."""
    return {
        cpu: have.name
        for have in others
        for tree in (have.stored, have.live)
        if tree is not None
        for cpu in promise_of(tree).cpus
    }


# ---- vCPUs


def _declared(vm: Wanted, mistakes: Mistakes) -> dict[str, str]:
    """By hand each vCPU has to have one CPU, and another than the others."""
    pins: dict[str, str] = vm.values[VCPUS]
    cpus = [cpus_in(pins.get(vcpu, "")) for vcpu in vm.vcpus]
    if all(len(some) == 1 for some in cpus) and len(set().union(*cpus)) == len(cpus):
        return pins
    mistakes.add(
        f"with cpu.dedicated each of the vCPUs {vm.vcpus[0]} to {vm.vcpus[-1]} has one CPU that no "
        "other has; write them all, or omit this and have them chosen",
        named(VCPUS),
    )
    return {}


def _chosen(
    vm: Wanted, cells: Collection[Cell], taken: Owners, mistakes: Mistakes
) -> dict[str, str]:
    """Of each vCPU the CPU that it has, if that is its own, or a free one."""
    there = _cpus(cells)
    kept = _kept(vm, set(there) - set(taken))
    missing = [vcpu for vcpu in vm.vcpus if vcpu not in kept]
    free = [cpu for cpu in there if cpu not in taken and cpu not in kept.values()]
    if len(free) <= len(missing):  # one has to be left for all the rest
        mistakes.add(_too_few(vm, missing, free, there, taken), named(DEDICATED))
        return {}
    first = cpus_in(vm.will_be(NODES) or "")
    chosen = choose(len(missing), cells, free, list(kept.values()), first)
    own = {**kept, **dict(zip(missing, chosen))}
    return {vcpu: str(own[vcpu]) for vcpu in sorted(own)}


def _kept(vm: Wanted, possible: Collection[int]) -> dict[str, int]:
    kept: dict[str, int] = {}
    for vcpu in vm.vcpus:
        cpus = cpus_in((vm.stored.get(VCPUS) or {}).get(vcpu, ""))
        if len(cpus) == 1 and cpus <= set(possible) - set(kept.values()):
            kept[vcpu] = cpus.pop()
    return kept


def _too_few(
    vm: Wanted, missing: list[str], free: list[int], there: list[int], taken: Owners
) -> str:
    owners: dict[str, set[int]] = {}
    for cpu in there:
        if cpu in taken:
            owners.setdefault(taken[cpu], set()).add(cpu)
    by_whom = "".join(f"; vm/{name} has {listed(cpus)}" for name, cpus in sorted(owners.items()))
    has = len(vm.vcpus) - len(missing)
    more = f" beside the {has} that it has" if has else ""
    return (
        f"needs {len(missing)} CPUs of its own{more}, and free are {listed(free) or 'none'} of "
        f"{listed(there)}, of which one has to stay for the host and all others{by_whom}; lower "
        "cpu.maximum, or free some"
    )


def choose(
    count: int,
    cells: Collection[Cell],
    free: list[int],
    near: list[int],
    first: Collection[int] = (),
) -> list[int]:
    """The CPUs to give to a VM, of those that are free: near its own, and first of these nodes."""
    of_first = [cell for cell in cells if cell.number in first]
    others = [cell for cell in cells if cell.number not in first]
    order = _by_fit(count, of_first, free, near) + _by_fit(count, others, free, near)
    return [cpu for cell in order for cpu in _by_core(cell, free, near)][:count]


def _by_fit(
    count: int, cells: Collection[Cell], free: Collection[int], near: Collection[int]
) -> list[Cell]:
    """First the node where the VM has CPUs, then the smallest that has enough, then the largest."""

    def rank(cell: Cell) -> tuple[int, bool, int, int]:
        cpus = _cpus([cell])
        has = len(set(cpus) & set(free))
        suffices = has >= count
        return -len(set(cpus) & set(near)), not suffices, has if suffices else -has, cell.number

    return sorted(cells, key=rank)


def _by_core(cell: Cell, free: Collection[int], near: Collection[int]) -> list[int]:
    """The free CPUs of a node: the rest of cores that the VM has, those of whole cores, others."""

    def rank(core: list[int]) -> tuple[bool, bool, bool, list[int]]:
        others_have_some = bool(set(core) - set(free) - set(near))
        return FIRST_CPU in core, others_have_some, not set(core) & set(near), core

    return [cpu for core in sorted(cell.cores, key=rank) for cpu in core if cpu in free]


def _cpus(cells: Iterable[Cell]) -> list[int]:
    return sorted(cpu for cell in cells for core in cell.cores for cpu in core)


# ---- all other threads


def _left(cells: Collection[Cell], own: Mapping[str, str], taken: Owners) -> set[int]:
    """The CPUs that are nobody's own."""
    return set(_cpus(cells)) - {int(cpu) for cpu in own.values()} - set(taken)


def _threads(values: Mapping[Key, Value], domain: Element | None) -> list[str]:
    """The I/O threads that it will have, with those that extra_xml brings or takes away."""
    from . import extra

    after = xmltree.Element("domain") if domain is None else xmltree.clone(domain)
    if ("extra_xml",) in values:
        extra.replace(after, revealed(values[("extra_xml",)]))
    return iothreads_of(after)


def _put_others(vm: Wanted, threads: list[str], left: set[int], mistakes: Mistakes) -> None:
    """The emulator and I/O threads run apart. Where they do, they stay, whoever came since."""
    own = {int(cpu) for cpu in vm.values[VCPUS].values()}
    if not left:
        message = "leaves no CPU for the emulator and all else; leave one free"
        mistakes.add(message, named(VCPUS))
        return

    def place(cpus: str | None) -> str:
        is_apart = bool(cpus) and not cpus_in(cpus or "") & own
        return (cpus or "") if is_apart and vm.stored.get(DEDICATED) else listed(left)

    emulator = vm.stored.get(EMULATOR)
    vm.values.setdefault(EMULATOR, place(emulator))
    pins = vm.stored.get(IOTHREADS) or {}
    if threads or pins:
        vm.values.setdefault(IOTHREADS, {name: place(pins.get(name)) for name in sorted(threads)})
    anywhere = "may run on any CPU, and cpu.dedicated has it apart; write its CPUs, or omit this"
    if not vm.values[EMULATOR]:
        mistakes.add(anywhere, named(EMULATOR))
    for name in sorted(set(threads) - set(vm.values.get(IOTHREADS, ()))):
        mistakes.add(anywhere, named((*IOTHREADS, name)))
    for key in (EMULATOR, IOTHREADS):
        _check_apart(key, vm.values.get(key), own, mistakes)


def _check_apart(key: Key, value: Value, own: set[int], mistakes: Mistakes) -> None:
    for cpus in value.values() if isinstance(value, dict) else [value or ""]:
        if cpus_in(cpus) & own:
            both = listed(cpus_in(cpus) & own)
            message = f"has {both}, which cpu.dedicated gives to vCPUs; write others, or omit it"
            mistakes.add(message, named(key))
