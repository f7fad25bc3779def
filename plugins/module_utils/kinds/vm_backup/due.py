# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a backup is to be made at all."""

from __future__ import annotations

from .case import Case
from .disks import chosen
from .manifest import OFF, Backup, when, why_not_whole


def why_not_due(case: Case) -> tuple[str, str]:
    """The backup that is there and does, and why; two empty texts where one is to be made."""
    wanted = case.wanted
    if wanted.name:
        there = case.by_id.get(wanted.name)
        return (there.id, "it is there") if there is not None else ("", "")
    whole = [one for one in case.own if not why_not_whole(one, case.by_id)]
    if not whole:
        return "", ""
    last = whole[-1]
    if wanted.max_age and case.facts.now - last.made < wanted.max_age * 1000:
        return last.id, f"{last.id} of {when(last.made)} is younger than max_age"
    if not case.runs and _is_as_it_was(case, last):
        return last.id, f"the VM is off, and nothing was written to since {last.id}"
    return "", ""


def _is_as_it_was(case: Case, last: Backup) -> bool:
    """Whether a VM that is off was not touched since its last backup, which was made so."""
    disks, errors = chosen(case.disks, case.wanted)
    if errors or last.how != OFF or last.definition != case.definition:
        return False
    if {one.target for one in last.disks} != {one.target for one in disks}:
        return False
    for disk in disks:
        copy = last.disk(disk.target)
        if copy is None or not copy.written or copy.written != written(case, disk.images):
            return False
    return True


def written(case: Case, images: tuple[str, ...]) -> str:
    """When the images of a disk were last written to; empty where that cannot be seen of all."""
    seen = [case.world.host.content_of(path) for path in images]
    return "; ".join(seen) if all(seen) else ""
