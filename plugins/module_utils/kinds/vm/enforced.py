# SPDX-License-Identifier: GPL-3.0-or-later
"""What was promised to a VM that runs, and is not held by the kernel: a change, which mends it.

Somebody set it otherwise, or the VM was started where libvirt has no hook that sees to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...engine.codecs import Value
from ...engine.keys import Key, Values
from ...engine.promises_held import Vm, memory_held
from ...engine.world import World
from ...engine.xmltree import Element
from .changes import Upheld
from .promised import promise_of

MEMORY, CPU = ("memory", "reservation"), ("cpu", "reservation")
PROMISES = (MEMORY, CPU)
NOT_NOTED = "nothing on the host has taken note of it"
NOT_HELD = "not held"


def is_promised(vm: Vm) -> bool:
    """Whether there is anything for the kernel to hold."""
    return bool(vm.cpu or vm.reserved or vm.dedicated)


def unheld(live: Element, values: Values, world: World, resource: str) -> Iterator[Upheld]:
    """What the kernel does not hold of what the running VM was promised."""
    vm = promise_of(live)
    told = world.host.promises if is_promised(vm) else None
    held = world.host.held(vm.name) if told and told["cgroup"] == 2 else None
    if not held:
        return  # of another machine nobody can tell, and the admission says so
    lacks = held["lacks"] if _is_of(held["noted"], vm) else [NOT_NOTED]
    for field, those in _by_field(lacks, vm).items():
        after: Value = values.get(field) or "held"
        yield Upheld(resource, field, NOT_HELD, after, note="; ".join(those))


def _is_of(noted: dict[str, Any] | None, vm: Vm) -> bool:
    """Whether what is noted of a VM holds the same as it was promised."""
    if noted is None:
        return False
    was = Vm(**{**noted, "cpus": tuple(noted["cpus"])})
    same = (was.cpu, was.shares, was.dedicated) == (vm.cpu, vm.shares, vm.dedicated)
    return same and was.reserved == vm.reserved and memory_held(was) == memory_held(vm)


def _by_field(lacks: list[str], vm: Vm) -> dict[Key, list[str]]:
    """Each under the option by which it was promised."""
    found: dict[Key, list[str]] = {}
    for one in lacks:
        is_memory = "memory.min" in one or not (vm.cpu or vm.dedicated)
        found.setdefault(MEMORY if is_memory else CPU, []).append(one)
    return found
