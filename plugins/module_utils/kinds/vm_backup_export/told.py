# SPDX-License-Identifier: GPL-3.0-or-later
"""What is told of an export, as the module returns it."""

from __future__ import annotations

from typing import Any

from .case import Case
from .facts import Export, ExportedDisk, uri_of
from .planned import Planned

BITMAPS = "qemu:dirty-bitmap:"  # by which QEMU names one to those who read over NBD


def bitmap_of(target: str, since: str) -> str:
    """What QEMU calls the bitmap of a disk in an export."""
    return f"backup-{target}" if since else ""


def told(found: Planned) -> dict[str, Any]:
    """The export as it is, or would be."""
    case, wanted = found.case, found.case.wanted
    if found.disks:
        disks = [
            ExportedDisk(one.target, one.target, bitmap_of(one.target, wanted.since), "", "")
            for one in found.disks
        ]
        would = case.would._replace(disks=tuple(disks))
        return _export(case, would, wanted.since, wanted.checkpoint)
    if found.ends or case.under_way is None:
        return {"exists": False}
    since = next((one.since for one in case.under_way.disks), "")
    return _export(case, case.under_way, since, case.mark.checkpoint if case.mark else "")


def _export(case: Case, export: Export, since: str, checkpoint: str) -> dict[str, Any]:
    disks = {}
    for one in export.disks:
        known = case.disk(one.target)
        size = case.facts.disk_size(case.wanted.vm, one.target)
        disks[known.name if known is not None else one.target] = {
            "target": one.target,
            "uri": uri_of(export, one.name),
            "bitmap": f"{BITMAPS}{one.bitmap}" if one.bitmap else "",
            "size_bytes": size.capacity if size is not None else 0,
        }
    return {"exists": True, "since": since, "checkpoint": checkpoint, "disks": disks}
