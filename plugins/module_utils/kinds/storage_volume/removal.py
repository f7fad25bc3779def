# SPDX-License-Identifier: GPL-3.0-or-later
"""What must hold where a volume is to go: how it is overwritten, and that a folder is empty."""

from __future__ import annotations

from ...engine import xmltree
from ...engine.errors import FleetError, Mistakes
from ...engine.host import HostFacts
from ...engine.plan import Have
from .volumes import WIPES_VOLUMES, ZERO, type_of

SCRUB = "/usr/bin/scrub"


def check_wipe(have: Have, pool: Have, by: str | None, host: HostFacts, mistakes: Mistakes) -> None:
    """Whether it can be overwritten as is said before it goes."""
    pool_type = type_of(pool)
    if by and pool_type not in WIPES_VOLUMES:
        message = f"libvirt overwrites no volume of a {pool_type} pool; remove it without"
        mistakes.add(message, "wipe")
    if by and _is_folder(have):
        mistakes.add("is a folder, which libvirt does not overwrite", "wipe")
    if by and by != ZERO and host.is_local and host.exists(SCRUB) is False:
        message = f"{by} is done by {SCRUB}, which is not there; install scrub"
        mistakes.add(message, "wipe_algorithm")


def check_empty(have: Have, host: HostFacts, resource: str) -> None:
    """A folder in a pool goes only if nothing is in it: libvirt removes no more. Or FleetError."""
    if not _is_folder(have) or not host.is_local:
        return
    inside = host.folder(xmltree.get(have.definition, "target/path") or "")
    if inside:
        message = (
            f"is a folder with {min(inside)} in it, and libvirt removes none that has something"
        )
        raise FleetError(f"{message}; empty it first", resource)


def _is_folder(have: Have) -> bool:
    return have.stored is not None and have.stored.get("type") == "dir"
