# SPDX-License-Identifier: GPL-3.0-or-later
"""Has the kernel hold what is promised to a VM that runs: the part that is not libvirt's.

At a start the hook does the same. Where there is none, or none that is called, a run does it.
"""

from __future__ import annotations

from typing import Any

from ...engine.errors import FleetError
from ...engine.plan import Plan
from ...engine.promises_held import Vm
from ...engine.traits import STATE
from ...host import cgroups
from ...host.capacity import SYSTEM, Places
from ...host.connection import Host
from ...host.live import machine_of
from .promised import promise_of
from .reader import live_definition

# The options on which it hangs what the kernel has to hold, of this VM and of those beside it.
CONCERNS = ("cpu", "memory", "resource_pool")


def is_concerned(plan: Plan) -> bool:
    """Whether a plan changes what is promised to a VM, or starts one that was promised anything."""
    if any(change.field[0] in CONCERNS for change in plan.changes):
        return True
    starts = any(change.field in (STATE, ("power",)) for change in plan.changes)
    promise = promise_of(plan.after.definition)
    return starts and bool(promise.cpu or promise.reserved or promise.dedicated)


def settle(host: Host, dom: Any, plan: Plan, places: Places = SYSTEM) -> None:
    """Note what the VM is promised, and have it enforced. FleetError if the kernel does not."""
    if cgroups.version(places) != 2 or not (machine_of(host).is_this_machine and dom.isActive()):
        return
    vm = promise_of(live_definition(dom))
    scope = cgroups.scope_of_vm(places, vm.name)
    if not scope:  # as in a session, where there is nothing to enforce it by
        return
    try:
        lacks = _settled(places, vm, scope)
    except OSError as error:
        if not _was_promised(places, vm):
            return  # so what is noted of it tells nobody what to hold
        raise FleetError(
            f"is stored, but what is promised could not be noted and enforced ({error.strerror}: "
            f"{error.filename}); run as root (become: true)",
            plan.resource,
        ) from error
    if lacks:
        raise FleetError(
            f"is stored, but the kernel does not hold what was promised: {'; '.join(lacks)}",
            plan.resource,
        )


def _settled(places: Places, vm: Vm, scope: str) -> list[str]:
    from ...host import enforcing, noted

    noted.record(places, vm, scope)
    return [one for one in enforcing.settle(places) if _is_about(one, vm.resource)]


def _was_promised(places: Places, vm: Vm) -> bool:
    """Whether the VM is promised anything, or was by what is noted of it."""
    from ...host import noted

    was = [one.vm for one in noted.records(places) if one.vm.uuid == vm.uuid]
    return any(one.cpu or one.reserved or one.dedicated for one in (vm, *was))


def _is_about(said: str, resource: str) -> bool:
    """Whether it is said of the VM, or of what is around it; other VMs are those of other plans."""
    return not said.startswith("vm/") or said.split()[0].rstrip(":") == resource
