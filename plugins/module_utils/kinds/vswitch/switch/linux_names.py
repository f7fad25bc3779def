# SPDX-License-Identifier: GPL-3.0-or-later
"""What the parts of a bridge of Linux are called, and its ways of teaming."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from ....engine.cpu_lists import listed
from ....engine.vlans import HIGHEST, USUAL, ids_of
from .options import ACTIVE_BACKUP
from .seen import MODES_OF_LINUX

# Of each way of teaming the mode of a bond, and by what it shares frames out.
KINDS = {
    way: (mode, "" if way == ACTIVE_BACKUP else "layer2+3")
    for way, (mode, _lacp) in MODES_OF_LINUX.items()
}


def tagged(vlans: Iterable[str]) -> list[str]:
    """The VLANs that a port carries with tags, as ranges; all where none are said."""
    ids = ids_of([*vlans]) or {*range(1, HIGHEST + 1)}
    return ranges(ids - {USUAL})


def ranges(ids: set[int]) -> list[str]:
    """VLANs as those of a trunk are written."""
    return listed(ids).split(",") if ids else []


def bond_of(bridge: str) -> str:
    """The bond of a bridge's uplinks, named after it where Linux's 15 characters suffice."""
    return _named(bridge, "up")


def tunnel_of(bridge: str) -> str:
    """The link by which a bridge reaches other hosts."""
    return _named(bridge, "ov")


def _named(bridge: str, part: str) -> str:
    readable = f"{bridge}-{part}"
    return readable if len(readable) <= 15 else f"{part}-{_digest(bridge)}"


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:12]
