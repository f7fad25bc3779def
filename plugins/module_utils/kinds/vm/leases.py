# SPDX-License-Identifier: GPL-3.0-or-later
"""Leases that VMs take before they run: what must hold of one VM, and of all of a host."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from ...engine.codecs import Value
from ...engine.errors import Doubt, FleetError, Mistakes
from ...engine.fields import items_of, values_of
from ...engine.keys import Key, Values, named
from ...engine.plan import DELETE, Plan
from ...engine.units import format_size, parse_size
from ...engine.world import World
from ...engine.xmltree import Element
from . import judge
from .lease_rows import LEASES

LOCKD, SANLOCK = "lockd", "sanlock"
# What a lease of sanlock takes up on a device with sectors of 512 bytes, and begins at.
ALIGNMENT = 1024 * 1024


class Lease(NamedTuple):
    """A lease, where it is, and what a VM calls it."""

    name: str
    lockspace: str
    path: str
    offset: str

    def clashes(self, other: Lease) -> bool:
        """Whether two are one lease, or are in one place."""
        same_name = (self.name, self.lockspace) == (other.name, other.lockspace)
        return same_name or (self.path, self.offset) == (other.path, other.offset)


def check(after: Values, want: Mapping[Key, Value], mistakes: Mistakes) -> None:
    """Each has a path, and no two of a VM are in one place: it would wait for itself."""
    places: dict[tuple[Value, Value], Key] = {}
    for key in [k for k in after if len(k) == 2 and k[0] == LEASES.name]:
        path, offset = (after.get((*key, option)) for option in ("path", "offset"))
        if key in want and not path:
            mistakes.add("is needed", named((*key, "path")))
        elif path and (path, offset) in places and {key, places[path, offset]} & want.keys():
            other = named(places[path, offset])
            mistakes.add(f"is at {offset} of {path}, as {other} is", named((*key, "offset")))
        places.setdefault((path, offset), key)


# ---- with what the host has


def hold(plans: Sequence[Plan], world: World) -> Iterator[FleetError]:
    """Leases are given by the host, and one VM each; asked only where a plan comes to need it."""
    changing = [plan for plan in plans if _may_need(plan)]
    leases = {plan.wanted.name: _leases_of(plan.after.stored) for plan in changing}
    if not any(leases.values()):
        return
    manager: str | None = world.facts.ask("lock_manager")
    for plan in changing:
        had = _leases_of(plan.have.stored)
        for lease in leases[plan.wanted.name]:
            is_new = lease not in had
            if is_new or judge.starts(plan):
                yield from _mistakes(plan, lease, is_new, manager, world)


def _may_need(plan: Plan) -> bool:
    return plan.wanted.kind == "vm" and plan.changed and plan.action != DELETE


def _mistakes(
    plan: Plan, lease: Lease, is_new: bool, manager: str | None, world: World
) -> Iterator[FleetError]:
    """What is wrong with one that comes; of one that was there, libvirt says most itself."""
    name, field = plan.wanted.name, named((LEASES.name, lease.name))
    if manager == "":
        may_be = not is_new or world.assume_on_host  # by what an earlier task sets up
        yield (Doubt if may_be else FleetError)(_NOBODY, f"vm/{name}", field)
    elif is_new:
        message = _misplaced(lease, manager) or _taken(name, lease, world)
        if message:
            yield FleetError(message, f"vm/{name}", field)


def _leases_of(*trees: Element | None) -> list[Lease]:
    return [
        _lease(name, lease)
        for tree in trees
        if tree is not None
        for name, lease in items_of(LEASES, tree).items()
    ]


def _lease(name: str, lease: Element) -> Lease:
    said = values_of(LEASES.rows, lease)
    return Lease(name, *(str(said[(option,)]) for option in ("lockspace", "path", "offset")))


_NOBODY = (
    "this host gives no leases, and libvirt runs the VM without a word of it; set lock_manager in "
    "qemu.conf first (the role kvm_host does, kvm_host_migration.sanlock)"
)


def _misplaced(lease: Lease, manager: str | None) -> str:
    """Why the lock manager would not find it."""
    offset = parse_size(lease.offset)
    if manager == LOCKD and offset:
        return f"begins at {lease.offset}, and the leases of lockd begin at 0; leave offset out"
    if manager == SANLOCK and (offset % ALIGNMENT or not offset):
        return (
            f"begins at {lease.offset}, and the leases of sanlock begin at a multiple of "
            f"{format_size(ALIGNMENT)}, behind the lockspace at 0; set offset"
        )
    return ""


def _taken(name: str, lease: Lease, world: World) -> str:
    having = (
        vm
        for vm, have in world.everything("vm").items()
        if vm != name and any(map(lease.clashes, _leases_of(have.stored, have.live)))
    )
    who = ", ".join(sorted(having))
    if not who:
        return ""
    return (
        f"{lease.name} at {lease.offset} of {lease.path} is that of {who} too, and neither could "
        "run while the other does; name another lease"
    )
