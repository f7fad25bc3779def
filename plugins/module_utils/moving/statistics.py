# SPDX-License-Identifier: GPL-3.0-or-later
"""What a move took, from the statistics that libvirt keeps of a job that is over.

They are told as far as they can be trusted. libvirt still has those of the move before where one
failed, so what is much older or longer than what we saw is not of ours. And it compares the clocks
of two hosts for the downtime: where they differ, so does the number.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# virDomainJobOperation, and virDomainJobType of one that came to its end.
MIGRATION_IN, MIGRATION_OUT = 4, 5
COMPLETED = 3

# How much longer than we waited libvirt may say that it took, for what it counts and we do not.
TOLERANCE_MS = 2000

Job = Mapping[str, Any]
NOT_KNOWN = "libvirt kept no statistics of this move"


def statistics(job: Job, waited_ms: float, downtime_limit_ms: int = 0) -> dict[str, Any]:
    """The statistics of a live migration that we waited for, as a module returns them."""
    told: dict[str, Any] = {"mode": "live", "waited_ms": round(waited_ms)}
    if not is_ours(job, waited_ms):
        return {**told, "notes": [NOT_KNOWN]}
    notes: list[str] = []
    told["total_ms"] = _total(job, waited_ms, notes)
    told["downtime_ms"] = _downtime(job, notes)
    told["setup_ms"] = int(job.get("setup_time") or 0)
    told["rounds"] = int(job.get("memory_iteration") or 0)
    told["memory"] = _memory(job)
    told["disks"] = _disks(job)
    told["rate_bytes_per_s"] = _rate(told)
    if job.get("auto_converge_throttle"):
        told["throttled_percent"] = int(job["auto_converge_throttle"])
    if downtime_limit_ms:
        told["downtime_limit_ms"] = downtime_limit_ms
        told["within_downtime"] = (
            None if told["downtime_ms"] is None else told["downtime_ms"] <= downtime_limit_ms
        )
    return {**told, "notes": notes}


def is_ours(job: Job, waited_ms: float) -> bool:
    """Whether statistics are those of the migration that has just ended."""
    if job.get("operation") not in (MIGRATION_IN, MIGRATION_OUT) or job.get("type") != COMPLETED:
        return False
    elapsed = int(job.get("time_elapsed_net") or job.get("time_elapsed") or 0)
    # A clock that is ahead makes it longer than it was, and the net time is known then only.
    return elapsed <= waited_ms + TOLERANCE_MS or bool(job.get("time_elapsed_net"))


def _total(job: Job, waited_ms: float, notes: list[str]) -> int:
    """How long the job took, by our clock where libvirt's two differ."""
    total = int(job.get("time_elapsed_net") or job.get("time_elapsed") or 0)
    if 0 < total <= waited_ms + TOLERANCE_MS:
        return total
    notes.append("the clocks of the hosts differ, so the total time is by the one of this run")
    return round(waited_ms)


def _downtime(job: Job, notes: list[str]) -> int | None:
    """How long the guest stood still; None where that is not known.

    The net time is there only where the clock of the target is not behind. Then it is right; else
    what libvirt tells is too short by the difference, which nobody knows.
    """
    net = job.get("downtime_net")
    if net is not None:
        return int(net)
    if job.get("downtime") is None:
        notes.append("libvirt did not tell the downtime")
        return None
    if job.get("time_elapsed_net") is None:
        notes.append(
            "the clock of the target may be behind that of the source: then the downtime was "
            "longer than is told; synchronise the clocks"
        )
    return int(job["downtime"])


def _memory(job: Job) -> dict[str, int]:
    return {
        "total_bytes": int(job.get("memory_total") or 0),
        "transferred_bytes": int(job.get("memory_processed") or 0),
        "zero_pages": int(job.get("memory_constant") or 0),
        "dirty_pages_per_s": int(job.get("memory_dirty_rate") or 0),
        "page_bytes": int(job.get("memory_page_size") or 0),
    }


def _disks(job: Job) -> dict[str, int]:
    return {
        "total_bytes": int(job.get("disk_total") or 0),
        "transferred_bytes": int(job.get("disk_processed") or 0),
    }


def _rate(told: Mapping[str, Any]) -> int:
    moved = told["memory"]["transferred_bytes"] + told["disks"]["transferred_bytes"]
    return round(1000 * moved / told["total_ms"]) if told["total_ms"] else 0
