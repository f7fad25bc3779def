# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tells a disk that others moved from one that is declared anew: how old its images are."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.kvm.fleet.plugins.module_utils import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.chains import Chains
from ansible_collections.kvm.fleet.plugins.module_utils.volumes import day_of

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
    world, place = chains.world, chains.place(path)
    for have in world.planned("storage_volume"):
        target = xmltree.get(have.definition, "target/path") if have.exists else ""
        if target and chains.place(target) == place:
            at = (have.kind, have.name)
            options = world.declared[at].options if at in world.declared else {}
            made_of = any(options.get(origin) for origin in ORIGINS)
            return not made_of and not world.was(*at).exists
    return False


def _written(path: str, chains: Chains) -> float | None:
    """When a file of this machine was last written to."""
    if not chains.world.host.is_local or not path.startswith("/"):
        return None
    try:
        return Path(path).stat().st_mtime
    except OSError:
        return None
