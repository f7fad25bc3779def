# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes a move, or finishes one that was interrupted. Decides nothing."""

from __future__ import annotations

from typing import Any

from .applier_end import finish
from .applier_job import Job
from .applier_live import clear_target, move_live
from .options import LIVE
from .unfinished import Whereabouts


def move(job: Job) -> dict[str, Any]:
    """Move a VM as it is planned, and clear up. The statistics of it."""
    with job.target.errors(job.resource, "clear up what an interrupted run left"):
        clear_target(job)
    if job.mode.name == LIVE:
        told = move_live(job)
    else:
        from .applier_offline import move_offline

        told = move_offline(job)
    marked = [f"{fate.pool_there}/{fate.volume_there}" for fate in job.copied]
    finish(job, job.note, marked, job.source)
    return told


def finish_left(job: Job, where: Whereabouts) -> None:
    """Finish what a run began that was killed once the VM was at the target."""
    finish(job, where.noted, list(where.marks), job.source if where.source else None)
