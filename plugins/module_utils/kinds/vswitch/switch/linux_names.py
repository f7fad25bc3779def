# SPDX-License-Identifier: GPL-3.0-or-later
"""What a bridge of Linux with uplinks is called, and its ways of teaming."""

from __future__ import annotations

import hashlib

from .options import ACTIVE_BACKUP
from .seen import MODES_OF_LINUX

# Of each way of teaming the mode of a bond, and by what it shares frames out.
KINDS = {
    way: (mode, "" if way == ACTIVE_BACKUP else "layer2+3")
    for way, (mode, _lacp) in MODES_OF_LINUX.items()
}


def bond_of(bridge: str) -> str:
    """The bond of a bridge's uplinks, named after it where Linux's 15 characters suffice."""
    readable = f"{bridge}-up"
    return readable if len(readable) <= 15 else f"up-{_digest(bridge)}"


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:12]
