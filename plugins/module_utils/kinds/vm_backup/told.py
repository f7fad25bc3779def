# SPDX-License-Identifier: GPL-3.0-or-later
"""What is told of backups, as a module returns it."""

from __future__ import annotations

from typing import Any

from .manifest import Backup, when
from .planned import Planned


def told(backup: Backup, folder: str) -> dict[str, Any]:
    """One backup."""
    return {
        "name": backup.id,
        "path": f"{folder}/{backup.id}",
        "exists": True,
        "mode": backup.mode,
        "how": backup.how,
        "made": when(backup.made),
        "parent": backup.parent,
        "checkpoint": backup.checkpoint,
        "quiesced": backup.quiesced,
        "size_bytes": backup.size,
        "disks": {
            one.name: {
                "file": one.file,
                "size_bytes": one.size,
                "capacity_bytes": one.capacity,
                "sha256": one.sha256,
                "parent": one.parent,
            }
            for one in backup.disks
        },
    }


def predicted(found: Planned) -> dict[str, Any]:
    """The backup that is as declared, or would be made, as far as that is known before it is."""
    wanted = found.case.wanted
    there = next((one for one in found.case.own if one.id == found.there), None)
    if there is not None:
        return told(there, wanted.folder)
    if not found.makes:
        return {"name": wanted.name, "exists": False}
    disks = {one.disk.name: {"file": one.file, "parent": one.parent} for one in found.fates}
    return {
        "name": wanted.name,
        "exists": True,
        "mode": found.mode,
        "how": "live" if found.case.runs else "off",
        "parent": found.parent,
        "disks": disks,
    }


def left(found: Planned) -> list[dict[str, Any]]:
    """The backups of the VM that are kept beside that, the oldest first."""
    gone = {one.backup.id for one in found.going}
    return [told(one, found.case.wanted.folder) for one in found.case.own if one.id not in gone]
