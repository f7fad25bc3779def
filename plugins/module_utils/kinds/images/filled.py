# SPDX-License-Identifier: GPL-3.0-or-later
"""The rule that a half-made volume is no leftover as long as QEMU copies a disk into it.

The run that began the copy may have ended; QEMU goes on, and the next run has the VM change over.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...engine import xmltree
from ...engine.errors import FleetError
from ...engine.plan import Plan
from ...engine.world import World
from ...engine.xmltree import Element
from ..storage_volume.volumes import HALF_MADE, name_in_pool, pool_of, volume_path
from .chains import Chains


def filled(plan: Plan, world: World, chains: Chains) -> Iterator[FleetError]:
    """What stands against making a volume anew, or removing it, that a disk is copied into."""
    if not plan.have.facts.get(HALF_MADE):
        return
    name = plan.wanted.name
    path = volume_path(world.was("storage_pool", pool_of(name)), name_in_pool(name))
    for vm, target in _copied_to(path, world, chains) if path else ():
        yield FleetError(
            f"disk {target} of vm/{vm} is copied into it; have kvm.fleet.storage_migration end "
            "that (by the pool where the disk is to be), or wait until it is done",
            plan.resource,
        )


def _copied_to(path: str, world: World, chains: Chains) -> Iterator[tuple[str, str]]:
    """The VMs, and their disks by target, that QEMU copies into an image at this moment."""
    place = chains.place(path)
    for name in world.everything("vm"):
        live = world.was("vm", name).live
        for disk in xmltree.find_all(live, "devices/disk") if live is not None else ():
            found = _mirror(disk, chains)
            if found and chains.place(found) == place:
                yield name, xmltree.get(disk, "target/@dev") or ""


def _mirror(disk: Element, chains: Chains) -> str:
    mirror = disk.find("mirror")
    source = None if mirror is None else mirror.find("source")
    if mirror is None or source is None:
        return ""
    return chains.source(mirror.get("type", "file"), source)
