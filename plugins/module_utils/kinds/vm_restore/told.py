# SPDX-License-Identifier: GPL-3.0-or-later
"""What is told of a VM that is as in a backup."""

from __future__ import annotations

from typing import Any

from ..vm_backup.manifest import when
from .planned import Planned


def told(found: Planned) -> dict[str, Any]:
    """The VM, and the backup that it is made of."""
    case = found.case
    return {
        "name": case.wanted.target,
        "uuid": case.uuid,
        "backup": case.backup.id,
        "made": when(case.backup.made),
        "disks": {one.copy.name: {"path": one.path, "format": one.format} for one in case.disks},
    }
