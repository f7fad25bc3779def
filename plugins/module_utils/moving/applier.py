# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes a move, or finishes one that was interrupted. Decides nothing."""

from __future__ import annotations

from typing import Any

from .applier_clear import clear_left
from .applier_end import finish
from .applier_folders import end_left_pools
from .applier_job import Job
from .applier_live import go_on, move_live
from .options import LIVE
from .unfinished import Whereabouts


def move(job: Job) -> dict[str, Any]:
    """Move a VM as it is planned, and clear up. The statistics of it."""
    clear_left(job)
    if job.mode.name == LIVE:
        told = move_live(job)
    else:
        from .applier_offline import move_offline

        told = move_offline(job)
    marked = [f"{fate.pool_there}/{fate.volume_there}" for fate in job.copied]
    finish(job, job.note, marked, job.source)
    return told


def let_go_on(job: Job) -> None:
    """Let a guest run that a move which was cut off had stopped, before anything else is done."""
    with job.source.errors(job.resource, "let it go on"):
        go_on(job, job.source.conn.lookupByName(job.name))


def finish_left(job: Job, where: Whereabouts) -> None:
    """Finish what a run began that was killed once the VM was at the target."""
    for host in {id(host): host for host in (job.source, job.target)}.values():
        end_left_pools(job, host)
    finish(job, where.noted, list(where.marks), job.source if where.source else None)
