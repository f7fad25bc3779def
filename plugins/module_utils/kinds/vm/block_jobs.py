# SPDX-License-Identifier: GPL-3.0-or-later
"""The rule that a disk on which a job of libvirt works stays as it is until that is done.

Backups, copies and merges of snapshots take minutes; a disk that changes meanwhile ends them, or is
changed back by them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...engine import xmltree
from ...engine.changes import Change, Went
from ...engine.errors import FleetError
from ...engine.fields import items_of
from ...engine.keys import named
from ...engine.plan import UPDATE, Plan
from ...engine.world import World
from ...engine.xmltree import Element
from ..images.chains import Chains
from ..storage_volume.volumes import KIND as VOLUME
from ..storage_volume.volumes import resizes
from .table import DISKS

# VIR_DOMAIN_BLOCK_JOB_TYPE_*, as virsh calls what starts them.


def no_job_is_disturbed(plans: Sequence[Plan], world: World) -> Iterator[FleetError]:
    """No disk changes or goes, and no VM is restarted, as long as a job works on its disk."""
    for plan in plans:
        live = plan.have.live
        if plan.wanted.kind == VOLUME and plan.action == UPDATE and resizes(plan):
            yield from _while_growing(plan, world)
        if plan.wanted.kind != "vm" or plan.action != UPDATE or live is None:
            continue
        disks = items_of(DISKS, live)
        for name in _disturbed(plan, list(disks)):
            job = (
                world.host.block_job(plan.wanted.name, _target(disks[name]))
                if name in disks
                else ""
            )
            if job:
                how = _advice(plan.wanted.name, disks[name])
                field = named((DISKS.name, name))
                yield FleetError(f"a {job} of it is under way; {how}", plan.resource, field)


def _while_growing(plan: Plan, world: World) -> Iterator[FleetError]:
    chains = Chains(world)
    grows = chains.place(xmltree.get(plan.have.definition, "target/path") or "")
    for vm in world.everything("vm").values():
        for disk in xmltree.find_all(vm.live, "devices/disk") if vm.live is not None else ():
            top = chains.told(disk)[0][:1]
            if top and chains.place(top[0].path) == grows:
                job = world.host.block_job(vm.name, _target(disk))
                if job:
                    how = _advice(vm.name, disk)
                    message = f"a {job} of it is under way in vm/{vm.name}; {how}"
                    yield FleetError(message, plan.resource, "capacity")


def _advice(vm: str, disk: Element) -> str:
    return f"wait until it is done, or abort it (virsh blockjob {vm} {_target(disk)} --abort)"


def _disturbed(plan: Plan, all_disks: Sequence[str]) -> Sequence[str]:
    """The disks that a plan takes away, moves, or stops to be started again."""
    if any(change.restarts for change in plan.changes):
        return all_disks
    of_disks = (change for change in plan.changes if change.thing_in(DISKS.name))
    return [change.thing_in(DISKS.name) for change in of_disks if _touches(change)]


def _touches(change: Change) -> bool:
    return change.is_of_union or isinstance(change, Went)


def _target(disk: Element) -> str:
    return xmltree.get(disk, "target/@dev") or ""
