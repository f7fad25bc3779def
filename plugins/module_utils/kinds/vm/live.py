# SPDX-License-Identifier: GPL-3.0-or-later
"""What brings changes to a VM that runs: rows name one, and `applier_live` has what each does."""

from __future__ import annotations

from enum import Enum, auto


class Applier(Enum):
    """What changes an option of a running VM. The order is that in which they are called."""

    METADATA = auto()
    PROMISE = auto()
    LIFECYCLE = auto()
    VCPUS = auto()
    CPU_TIME = auto()
    MEMORY_LIMIT = auto()
    CPU_PINS = auto()
    BALLOON = auto()
    BALLOON_STATS = auto()
    DISK_LIMITS = auto()
    MEDIA = auto()
    NIC = auto()
    PORT = auto()
    DEVICE = auto()
