# SPDX-License-Identifier: GPL-3.0-or-later
"""By which mode a VM moves, and why by that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .fate import DiskFate
from .move import Move
from .options import AUTO, LIVE, OFFLINE

SHARED_STORAGE, COPIED_STORAGE = "shared", "copied"


class Mode(NamedTuple):
    """How a VM moves."""

    name: str  # live or offline
    storage: str  # shared, or copied where the data of some disk has to go over
    why: str

    @property
    def is_live(self) -> bool:
        """Whether a QEMU hands its guest over to another one."""
        return self.name == LIVE


def chosen(move: Move, fates: Sequence[DiskFate]) -> Mode:
    """The mode that is declared, or the one that a VM's state leaves.

    A VM that runs is moved live or not at all: to stop it is for somebody else to say.
    """
    name, why = _named(move)
    copied = [fate.about for fate in fates if fate.is_copied]
    if copied:
        return Mode(name, COPIED_STORAGE, f"{why}; {', '.join(copied)} to be copied")
    return Mode(name, SHARED_STORAGE, f"{why}; all storage is shared")


def _named(move: Move) -> tuple[str, str]:
    if move.options.mode != AUTO:
        return move.options.mode, "as declared"
    state = move.have.facts.get("state", "stopped")
    return (LIVE, f"the VM is {state}") if move.running else (OFFLINE, f"the VM is {state}")
