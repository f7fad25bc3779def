# SPDX-License-Identifier: GPL-3.0-or-later
"""There is room at the target for what the VM takes: memory, pages, CPUs, and what is promised."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ...engine.cpu_lists import cpus_in
from ...engine.errors import Doubt
from ...engine.plan import UPDATE, Have, Plan, Wanted
from ...engine.units import format_size
from ...engine.world import World
from ...kinds.vm import memory as vm_memory
from ...kinds.vm.huge_pages import taken
from ...kinds.vm.promised import promise_of
from ...kinds.vm.states import STOPPED
from ..case import Case, listed
from ..findings import Finding

MIB = 2**20


def memory(case: Case) -> Iterator[Finding]:
    """The target has the memory, and of a VM that runs has it free."""
    has, wanted = case.target.host.huge_pages, vm_memory.bytes_at(case.sent, "memory") or 0
    if has is None or not has.total:
        message = "how much memory the target has is not known"
        yield case.warned("memory", message, "see that it has enough", "memory")
        return
    sides = {"source": _mib(wanted), "target": f"{_mib(has.memory)} free of {_mib(has.total)}"}
    takes = vm_memory.huge_pages(case.sent) != "none"
    if wanted > has.total:
        todo = "choose a larger host, or declare less memory"
        yield case.failed("memory", "the target has less memory", todo, "memory", **sides)
    elif wanted > has.memory and case.mode.is_live and not takes:
        locked = case.sent.find("memoryBacking/locked") is not None
        message = "the target has less memory free than the VM may take"
        todo = "move or stop something there first"
        make = case.failed if locked else case.warned
        yield make("memory", message, todo, "memory", **sides)
    else:
        yield case.passed("memory", "the target has the memory", "memory", **sides)


def huge_pages(case: Case) -> Iterator[Finding]:
    """The target has the huge pages that QEMU is started with."""
    if vm_memory.huge_pages(case.sent) == "none":
        return
    has, about = case.target.host.huge_pages, "memory.huge_pages"
    takes = taken(case.sent, has.sizes) if has is not None else None
    if has is None or takes is None:
        message = "which huge pages the target has is not known"
        yield case.warned("huge_pages", message, "see that it has enough", about)
        return
    free = has.free_of(takes.size, takes.nodes)
    page = format_size(takes.size)
    sides = {"source": f"{takes.number} of {page}", "target": f"{free} of {page} free"}
    if takes.size not in has.sizes:
        todo = "choose a host that has, or declare another size"
        message = f"the target has no huge pages of {page}"
        yield case.failed("huge_pages", message, todo, about, **sides)
    elif free < takes.number and case.mode.is_live:
        todo = "make more there (kvm.fleet.host_memory)"
        message = "too few huge pages are free there"
        yield case.failed("huge_pages", message, todo, about, **sides)
    else:
        yield case.passed("huge_pages", "the target has the huge pages", about, **sides)


def _mib(size: int) -> str:
    return f"{size // MIB}MiB"


# ---- CPUs and NUMA nodes that are named by number

_PINS = ("vcpu", "cputune/vcpupin", "cputune/emulatorpin", "cputune/iothreadpin")


def placement(case: Case) -> Iterator[Finding]:
    """The target has the CPUs and NUMA nodes to which the VM is pinned."""
    pinned = {
        cpu
        for path in _PINS
        for pin in case.sent.findall(path)
        for cpu in cpus_in(pin.get("cpuset", ""))
    }
    nodes = {
        int(node)
        for part in ("numatune/memory", "numatune/memnode")
        for said in case.sent.findall(part)
        for node in cpus_in(said.get("nodeset", ""))
    }
    cells = case.target.host.cells
    yield from _numbered(case, "CPUs", "cpu.pinning", pinned, case.target.host.cpus)
    there = [cell.number for cell in cells]
    yield from _numbered(case, "NUMA nodes", "numa.placement.nodes", nodes, there)


def _numbered(
    case: Case, what: str, about: str, wanted: set[int], there: Iterable[int]
) -> Iterator[Finding]:
    has = set(there)
    if not wanted:
        return
    sides = {
        "source": listed(sorted(wanted)),
        "target": listed(sorted(has)) if has else "not known",
    }
    if not has:
        message = f"which {what} the target has is not known"
        yield case.warned("placement", message, "see that it has these", about, **sides)
    elif wanted - has:
        todo = "declare a placement that both hosts have, or none"
        message = f"the target has no {what} {listed(sorted(wanted - has))}"
        yield case.failed("placement", message, todo, about, **sides)
    else:
        yield case.passed("placement", f"the target has these {what}", about, **sides)


# ---- what was promised


def resource_pool(case: Case) -> Iterator[Finding]:
    """The target has the resource pool that the VM is in."""
    name = promise_of(case.sent).pool
    if not name:
        return
    sides = {"source": name}
    if name.startswith("/"):
        message = f"it is in the slice {name} of others; whether the target has it is not known"
        yield case.warned("resource_pool", message, "see that it has", "resource_pool", **sides)
    elif not case.target.is_here and case.target.host.promises is None:
        message = "which resource pools the target has is not known from here"
        yield case.warned("resource_pool", message, "see that it has", "resource_pool", **sides)
    elif name not in case.target.world.everything("resource_pool"):
        todo = "make it there (kvm.fleet.resource_pool), or take the VM out of it"
        pools = listed(sorted(case.target.world.everything("resource_pool")))
        yield case.failed(
            "resource_pool",
            f"the target has no resource pool {name}",
            todo,
            "resource_pool",
            source=name,
            target=pools,
        )
    else:
        yield case.passed("resource_pool", "its resource pool is there", "resource_pool", **sides)


def admission(case: Case) -> Iterator[Finding]:
    """The target can promise what was promised to the VM, beside what it has promised already.

    VMs that are just arriving are there for libvirt, paused, and so are counted.
    """
    from ...kinds.together.admission import admitted

    plan = _arriving(case)
    world = World(case.target.world.facts, case.target.world.kinds)
    world.admission = case.move.options.admission
    world.add(plan)
    world.declared = {("vm", case.move.vm): plan.wanted}
    found = list(admitted([plan], world))
    for error in found:
        make = case.warned if isinstance(error, Doubt) else case.failed
        yield make(
            "admission",
            error.message,
            "move something else away first, or promise less to this VM",
            error.field,
            source=_promise(case),
        )
    if not found:
        yield case.passed("admission", "the target can promise what it is promised", "")


def _arriving(case: Case) -> Plan:
    """The plan of the target for the VM: it comes there, as it is."""
    name = case.move.vm
    before = Have("vm", name, facts={"state": "absent"})
    live = case.there if case.mode.is_live else None
    state = case.move.have.facts.get("state", STOPPED)
    facts = {**case.move.have.facts, "state": state}
    after = Have("vm", name, case.there, live, facts)
    return Plan(Wanted("vm", name, "present"), UPDATE, before, after)


def _promise(case: Case) -> str:
    promise = promise_of(case.sent)
    cores = f"{promise.cpu / 1000:g} cores" if promise.cpu else ""
    reserved = f"{_mib(promise.reserved)} of memory" if promise.reserved else ""
    return " and ".join(filter(None, (cores, reserved))) or "no reservation"
