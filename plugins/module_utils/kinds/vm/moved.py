# SPDX-License-Identifier: GPL-3.0-or-later
"""What tells a disk that others moved from one that is declared anew: how old its images are."""

from __future__ import annotations

from ...engine import xmltree
from ..images.chains import Chains
from ..storage_volume.volumes import day_of

ORIGINS = ("copy_of", "backing", "image")


def aged(path: str, chains: Chains) -> str:
    """A path with what tells a new image from an old one, as far as that is seen from here."""
    written = _written(path, chains)
    return path if written is None else f"{path} (last written {day_of(written)})"


def is_outdated(overlay: str, base: str, chains: Chains) -> bool:
    """Whether an image was written to after the overlay above it, which then fits it no more."""
    above, below = _written(overlay, chains), _written(base, chains)
    return above is not None and below is not None and above < below


def is_made_empty(path: str, chains: Chains) -> bool:
    """Whether a volume comes to be in this run with nothing in it."""
    at = _declared_at(path, chains)
    if at is None or chains.world.was(*at).exists:
        return False
    options = chains.world.declared[at].options if at in chains.world.declared else {}
    return not any(options.get(origin) for origin in ORIGINS)


def is_its_own(path: str, vm: str, disk: str, chains: Chains) -> bool:
    """Whether a volume that was there before is the one that a disk has without naming it.

    A declaration that names no volume always meant this one: then not it has changed, but the VM.
    """
    at = _declared_at(path, chains)
    declared = chains.world.declared.get(("vm", vm))
    if at is None or declared is None or not chains.world.was(*at).exists:
        return False
    disks = declared.options.get("disks") or ()
    return any(one["name"] == disk and one.get("pool") and not one.get("volume") for one in disks)


def _declared_at(path: str, chains: Chains) -> tuple[str, str] | None:
    """The volume at a path that this run declares."""
    place = chains.place(path)
    for have in chains.world.planned("storage_volume"):
        target = xmltree.get(have.definition, "target/path") if have.exists else ""
        if target and chains.place(target) == place:
            return have.kind, have.name
    return None


def _written(path: str, chains: Chains) -> float | None:
    """When a file of this machine was last written to."""
    host = chains.world.host
    found = host.file(path) if host.is_local and path.startswith("/") else None
    return found.written if found is not None and found.type else None
