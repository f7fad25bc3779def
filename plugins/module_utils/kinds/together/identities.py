# SPDX-License-Identifier: GPL-3.0-or-later
"""UUIDs: what is new gets one that follows from its name, and another may have that already."""

from __future__ import annotations

from collections.abc import Iterator

from ...engine import xmltree
from ...engine.errors import FleetError
from ...engine.plan import CREATE, Plan
from ...engine.world import World

# How to rename what was renamed back; libvirt renames nothing else than domains.
RENAME = {"vm": "; rename it back (virsh domrename {other} {name})"}


def free_uuid(plan: Plan, world: World) -> Iterator[FleetError]:
    """A new resource must not have the UUID of another: that is the same one, renamed."""
    if plan.action != CREATE or plan.after.stored is None:
        return
    uuid = xmltree.get(plan.after.stored, "uuid")
    other = world.host.owner_of(plan.wanted.kind, uuid) if uuid else None
    if other in (None, plan.wanted.name) or not world.will_be(plan.wanted.kind, other or "").exists:
        return
    is_said = ("uuid",) in plan.wanted.values
    whence = "" if is_said else ", which follows from its name,"
    rename = RENAME.get(plan.wanted.kind, "").format(other=other, name=plan.wanted.name)
    yield FleetError(
        f"its UUID {uuid}{whence} is that of {other}: the same one under another name{rename}, or "
        f"declare it as {other}, or remove {other} first",
        plan.resource,
        "uuid" if is_said else "name",
    )
