# SPDX-License-Identifier: GPL-3.0-or-later
"""Volumes that are there already where one would be made: said in the plan, or refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ...engine.codecs import Value
from ...engine.errors import FleetError, Mistakes
from ...engine.keys import Key, Values, named
from ...engine.plan import Plan, Wanted
from ...engine.world import World
from ..storage_volume.volumes import described

# Options of a disk that make its volume; they mean what they mean for a storage_volume.
VOLUME_OPTIONS = (
    *("capacity", "provisioning", "copy_of", "backing"),
    *("preallocation", "cluster_size", "lazy_refcounts", "extended_l2"),
    *("image", "checksum", "download"),
)


def brings_volume(disk: Mapping[str, Value]) -> bool:
    """Whether a disk as it is declared is to make its volume."""
    return any(disk.get(option) is not None for option in VOLUME_OPTIONS)


def by_disks(
    wanted: Wanted, want: Mapping[Key, Value], stored: Values, world: World, mistakes: Mistakes
) -> list[str]:
    """What to know of the volumes that disks which are new to a VM find instead of making them."""
    warnings = []
    for disk in wanted.options.get("disks") or ():
        key = ("disks", disk["name"])
        source = wanted.values.get((*key, "source")) or {}
        if key in stored or key not in want or "pool" not in source or not brings_volume(disk):
            continue
        volume = world.was("storage_volume", f"{source['pool']}/{source['volume']}")
        if volume.exists and disk.get("existing") == "error":
            mistakes.add(_refusal(f"the volume {volume.name}", described(volume)), named(key))
        elif volume.exists:
            warnings.append(
                f"{named(key)} takes up the volume {volume.name} with what is on it "
                f"({described(volume)}); existing: error would refuse that"
            )
    return warnings


def none_unwelcome(plans: Sequence[Plan], world: World) -> Iterator[FleetError]:
    """A volume that must not be there yet is not; not asked when a run looks at what it made."""
    for plan in plans:
        if plan.wanted.options.get("existing") == "error" and plan.have.exists:
            yield FleetError(_refusal("it", described(plan.have)), plan.resource, "existing")


def _refusal(what: str, how: str) -> str:
    return (
        f"{what} is there already ({how}); remove it or name another, or say existing: adopt to "
        "take it up as it is"
    )
