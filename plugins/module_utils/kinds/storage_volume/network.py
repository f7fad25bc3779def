# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong with volumes of a pool on a server that libvirt itself talks to, as Ceph."""

from __future__ import annotations

from ...engine.errors import FleetError, Mistakes
from ...engine.plan import Wanted
from ...engine.world import World
from .volumes import NETWORK_POOLS, pool_of, type_of

# libvirt gives up what Ceph does not answer after 30 s; what fails for another reason takes none.
SILENT_S = 10.0


class Silent(FleetError):
    """The server of a pool does not answer: to ask it for the next volume takes as long again."""


def silent(pool: str, told: str) -> Silent:
    """The error for a pool on whose server libvirt has waited in vain."""
    return Silent(
        f"its server does not answer, on which libvirt waited for half a minute ({told}); see that "
        "it serves. libvirt stops the pool once it looks at it anew: it then has to be started",
        f"storage_pool/{pool}",
    )


def check_network_pool(
    wanted: Wanted, pool_type: str, world: World, mistakes: Mistakes, warnings: list[str]
) -> None:
    """What libvirt does not do in a pool of Ceph, or does otherwise (storage_backend_rbd.c)."""
    pool, source = pool_of(wanted.name), wanted.options.get("copy_of")
    other = pool_of(source) if source else pool
    there = type_of(world.will_be("storage_pool", other))
    if other != pool and {pool_type, there} & {*NETWORK_POOLS}:
        mistakes.add(
            f"libvirt copies nothing into or out of a pool of type rbd; copy {source} yourself "
            "(qemu-img convert), and declare the volume without copy_of",
            "copy_of",
        )
    if pool_type not in NETWORK_POOLS:
        return
    if source and other == pool:
        warnings.append(
            f"{wanted.name} will be a clone in Ceph: it stands on a snapshot of {source}, which "
            "cannot go meanwhile; rbd flatten makes it whole"
        )
    if wanted.options.get("image"):
        mistakes.add(
            "libvirt uploads nothing into a pool of type rbd; bring it there yourself (rbd "
            "import), and declare the volume without image",
            "image",
        )
    if wanted.options.get("provisioning") == "thick":
        mistakes.add(
            "thick is not possible in a pool of type rbd: Ceph takes space as it is written to",
            "provisioning",
        )
