# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the host can keep what VMs are promised, and will after their next start. Said once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ...engine import xmltree
from ...engine.errors import Doubt, FleetError
from ...engine.host import QEMU, HostFacts
from ...engine.plan import Plan
from ...engine.world import World
from ..vm.table import RESERVATION

ROLE = "let the role kvm.fleet.kvm_host install it with kvm_host_reservations: true"


def kept(plans: Sequence[Plan], world: World) -> Iterator[FleetError]:
    """A promise that nobody would keep is told with what it takes."""
    promised = (plan for plan in plans if plan.changed and _promises(plan))
    first = next(promised, None)
    why = "" if first is None else _why_not(world.host)
    if first is not None and why:
        yield Doubt(why, first.resource)


def _promises(plan: Plan) -> bool:
    if plan.wanted.kind != "vm" or not plan.after.exists:
        return False
    if xmltree.find(plan.after.definition, RESERVATION) is None:
        return False  # as of most VMs
    from ..vm.enforced import is_promised
    from ..vm.promised import promise_of

    return is_promised(promise_of(plan.after.definition))


def _why_not(host: HostFacts) -> str:
    if host.driver != QEMU:
        return ""
    if host.state_folder:
        return (
            "its reservations count for admission only: VMs of a session are in no control group "
            "of their own; use uri: qemu:///system to have them kept"
        )
    if not host.is_this_machine:
        return (
            "its reservations are kept from its next start on, and only by libvirt's hook on its "
            f"host, which cannot be seen from here; {ROLE}"
        )
    return _why_not_here(host.promises) if host.promises is not None else ""


def _why_not_here(told: dict[str, Any]) -> str:
    if told["cgroup"] != 2:
        return (
            "its reservations count for admission only: the kernel of this host has cgroups of "
            "version 1, which reserve no memory, or none; start it with "
            "systemd.unified_cgroup_hierarchy=1 to have them kept"
        )
    if not told["hook"]["installed"]:
        return (
            "its reservations would not be kept after its next start, since libvirt has no hook "
            f"on this host that sees to it; {ROLE}"
        )
    if not told["hook"]["called"]:
        return (
            "its reservations would not be kept after its next start, since libvirt's daemon "
            "started before its hook was installed, and looks for hooks only then; restart it "
            "(VMs go on running), or " + ROLE.replace("install it", "do so")
        )
    return ""
