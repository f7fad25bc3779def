# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
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
    BALLOON = auto()
    BALLOON_STATS = auto()
    DISK_LIMITS = auto()
    MEDIA = auto()
    NIC = auto()
    DEVICE = auto()
