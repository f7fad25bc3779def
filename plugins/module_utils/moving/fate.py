# SPDX-License-Identifier: GPL-3.0-or-later
"""What can become of a disk of a VM that moves. Which of it does is decided in fates.py."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..engine.keys import Key, named
from ..engine.looked_at import Layout
from .move import Move
from .spots import Spot, layout_at

SHARED = "shared"  # the target has the same one
COPIED = "copied"  # all of it goes over; it stands on nothing
LAYER = "layer"  # only what the VM wrote goes over: the image that it stands on is there
FLATTENED = "flattened"  # all of it goes over, with what it stands on in one image
EMPTY = "empty"  # a drive without a medium, or that goes without it
LOCAL = "local"  # it cannot go, and `why` says why

# Why a medium counts as shared that is a file of either host.
LIKE_IT = "the target has one of the same name and size"

COPIES = (COPIED, LAYER, FLATTENED)


class DiskFate(NamedTuple):
    """What becomes of one disk or drive."""

    name: str  # as declarations call it: root
    target: str  # as the guest's controller has it: vda
    how: str
    device: str = "disk"  # disk, cdrom, floppy or lun
    source: str = ""  # path at the source, or POOL/VOLUME where it has none
    there: str = ""  # the same at the target
    pool: str = ""  # at the source
    volume: str = ""
    pool_there: str = ""
    volume_there: str = ""
    format: str = ""
    capacity: int = 0  # bytes that the guest sees
    allocation: int = 0  # bytes that go over
    backing: str = ""  # at the target, what the copied layer stands on
    backing_format: str = ""
    snapshots: int = 0  # inside of the image
    below: str = ""  # at the source, what is needed beside the image: what it stands on, its data
    read_only: bool = False
    encrypted: bool = False
    why: str = ""  # how it is known, or why it cannot go

    @property
    def key(self) -> Key:
        """Where it stands among the options of a VM."""
        return ("cdroms" if self.device == "cdrom" else "disks", self.name)

    @property
    def about(self) -> str:
        """How errors call it."""
        return named(self.key)

    def told(self) -> dict[str, Any]:
        """As a module returns it, without what is not known or does not apply."""
        told = {name: value for name, value in self._asdict().items() if value or name == "how"}
        return {**told, "name": self.about}

    @property
    def is_copied(self) -> bool:
        """Whether its data has to go over."""
        return self.how in COPIES


def layout_kept(move: Move, fate: DiskFate) -> Layout | None:
    """How the copy of a qcow2 is to be laid out: as it is at the source, if anybody can tell."""
    if not fate.is_copied or fate.format != "qcow2":
        return None
    return layout_at(move.source, Spot(fate.source, fate.pool, fate.volume))


def snapshots_lost(move: Move, fate: DiskFate) -> int:
    """How many snapshots inside an image its copy has not: all, unless its bytes go as they are."""
    return fate.snapshots if fate.is_copied and (move.is_live or fate.how == FLATTENED) else 0
