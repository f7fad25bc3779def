# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of each disk of a VM that moves."""

from __future__ import annotations

from typing import NamedTuple

SHARED = "shared"  # the target has the same one
COPIED = "copied"  # all of it goes over; it stands on nothing
LAYER = "layer"  # only what the VM wrote goes over: the image that it stands on is there
FLATTENED = "flattened"  # all of it goes over, with what it stands on in one image
EMPTY = "empty"  # a drive without a medium
LOCAL = "local"  # it cannot go, and `why` says why

COPIES = (COPIED, LAYER, FLATTENED)


class DiskFate(NamedTuple):
    """What becomes of one disk or drive."""

    name: str  # as declarations call it
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
    allocation: int = 0  # bytes that it takes at the source
    backing: str = ""  # at the target, what the copied layer stands on
    backing_format: str = ""
    read_only: bool = False
    why: str = ""  # how it is known, or why it cannot go

    @property
    def is_copied(self) -> bool:
        """Whether its data has to go over."""
        return self.how in COPIES
