# SPDX-License-Identifier: GPL-3.0-or-later
"""What other kinds ask of a pool: what is in it, and whether a plan stops it."""

from __future__ import annotations

import posixpath

from ...engine import steps, xmltree
from ...engine.plan import Have, Plan
from ...engine.xmltree import Element


def holds(pool: Have, path: str) -> bool:
    """Whether a path on the host is that of a volume of this pool."""
    if pool.stored is None:
        return False
    below = xmltree.get(pool.stored, "target/path") or ""
    if pool.stored.get("type") == "disk":  # its volumes are the partitions of a disk: /dev/sdb1
        return path.startswith(xmltree.get(pool.stored, "source/device/@path") or below)
    return bool(below) and posixpath.dirname(path) == below


def disks_in(pool: Have, domain: Element) -> list[str]:
    """The disks of a VM, by target, whose storage is in this pool."""
    disks = xmltree.find_all(domain, "devices/disk")
    return [
        xmltree.get(disk, "target/@dev") or "?"
        for disk in disks
        if xmltree.get(disk, "source/@pool") == pool.name
        or any(holds(pool, xmltree.get(disk, f"source/@{at}") or "") for at in ("file", "dev"))
    ]


def stops(plan: Plan) -> bool:
    """Whether a plan stops a pool that is active, be it to start it again."""
    return "stop" in steps_of(plan)


def steps_of(plan: Plan) -> list[str]:
    """What is to be called for a plan, in order; the applier has a function of each name."""
    return steps.steps_of(plan, STEPS)


STEPS = steps.Steps(first=("build",))
