# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of a disk that moves: what is copied of it, into what, and on what that stands."""

from __future__ import annotations

from ...engine import xmltree
from ...kinds.storage_volume.volumes import FILE_POOLS
from ..fate import COPIED, FLATTENED, LAYER, DiskFate
from ..options import FLATTEN
from ..spots import volume_at
from .found import DiskMove


def fate_of(move: DiskMove) -> DiskFate:
    """What is to become of it."""
    how, why = _how(move)
    below = move.layers[1] if how == LAYER else None
    return DiskFate(
        move.wanted.disk,
        move.target,
        how,
        source=move.here.named,
        there=move.there.named,
        pool=move.here.pool,
        volume=move.here.volume,
        pool_there=move.there.pool,
        volume_there=move.there.volume,
        format=move.format_there,
        capacity=move.capacity,
        allocation=least(move),
        backing=below.path if below else "",
        backing_format=below.format if below else "",
        snapshots=move.inside.snapshots if move.inside else 0,
        below=", ".join(layer.path for layer in move.layers[1:]),
        why=why,
    )


def _how(move: DiskMove) -> tuple[str, str]:
    if len(move.layers) < 2:
        return COPIED, "it stands on no other image"
    why = why_flattened(move)
    if why or move.wanted.backing == FLATTEN:
        return FLATTENED, why or "that is declared"
    return LAYER, f"what it stands on, {move.layers[1].path}, stays where it is"


def why_flattened(move: DiskMove) -> str:
    """Why a copy cannot stand on what the disk stands on; empty where it can."""
    if move.pool_type not in FILE_POOLS:
        return f"{move.wanted.pool} has raw volumes, which stand on nothing"
    if move.format_there == "raw":
        return "a raw volume stands on nothing"
    if not move.is_live:
        return "libvirt copies a volume as one image while the VM is off"
    return ""


def least(move: DiskMove) -> int:
    """What a sparse copy takes at least."""
    own = move.size.allocation if move.size else 0
    below = move.layers[1:] if _is_flat(move) else ()
    size = own + sum(_allocation(move, layer.path) for layer in below)
    return min(size, move.capacity) if move.capacity else size


def _is_flat(move: DiskMove) -> bool:
    return bool(why_flattened(move)) or move.wanted.backing == FLATTEN


def _allocation(move: DiskMove, path: str) -> int:
    volume = volume_at(move.side, move.spot_at(path))
    known = volume is not None and volume.stored is not None
    return int((known and xmltree.get(volume.definition, "allocation")) or 0) if volume else 0
