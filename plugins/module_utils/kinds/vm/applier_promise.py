# SPDX-License-Identifier: GPL-3.0-or-later
"""Has the kernel hold what is promised to a VM that runs: the part that is not libvirt's.

At a start the hook does the same. Where there is none, or none that is called, a run does it.
"""

from __future__ import annotations

from typing import Any

from ...engine.errors import FleetError
from ...engine.plan import Plan
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
    from ...host import enforcing, noted

    vm = promise_of(live_definition(dom))
    scope = cgroups.scope_of_vm(places, vm.name)
    if not scope:  # as in a session, where there is nothing to enforce it by
        return
    noted.record(places, vm, scope)
    lacks = [one for one in enforcing.settle(places) if _is_about(one, vm.resource)]
    if lacks:
        raise FleetError(
            f"is stored, but the kernel does not hold what was promised: {'; '.join(lacks)}",
            plan.resource,
        )


def _is_about(said: str, resource: str) -> bool:
    """Whether it is said of the VM, or of what is around it; other VMs are those of other plans."""
    return not said.startswith("vm/") or said.split()[0].rstrip(":") == resource
