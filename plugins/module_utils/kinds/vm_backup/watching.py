# SPDX-License-Identifier: GPL-3.0-or-later
"""When a backup has gone on for too long, or has come to a stand. Pure: times come in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from .case import Case
from .fate import DiskFate

MIB, GIB = 2**20, 2**30
TOLD_EACH = 5  # percent
# Where nothing else was said: so long for each GiB that is copied, and as for two at least.
DEADLINE_S_PER_GIB = 300.0
LEAST_GIB = 2.0
ROUNDS = 4.0  # of what a bandwidth would take alone


class Seen(NamedTuple):
    """How far it is, in bytes."""

    done: int
    whole: int

    @property
    def percent(self) -> int:
        """How much of it is done."""
        return min(100, round(100 * self.done / self.whole)) if self.whole else 0


@dataclass
class Watch:
    """Sees a backup go on, and says why it is to be given up; empty as long as it is not."""

    size: int  # bytes that are copied at most
    timeout_s: float
    stall_s: float
    began: float
    _moved: float = 0.0
    _seen: Seen | None = None

    @classmethod
    def of(cls, case: Case, fates: Iterable[DiskFate], began: float) -> Watch:
        """For the disks of a VM, by what is declared."""
        wanted = case.wanted
        sizes = [case.facts.disk_size(wanted.vm, one.disk.target) for one in fates]
        size = sum(one.capacity for one in sizes if one is not None)
        timeout = float(wanted.timeout_s) or DEADLINE_S_PER_GIB * max(size / GIB, LEAST_GIB)
        if wanted.bandwidth and not wanted.timeout_s:
            timeout = max(timeout, ROUNDS * size / wanted.bandwidth)
        stall = float(wanted.stall_s)
        if wanted.bandwidth:  # QEMU copies so much at once, and then waits
            stall = max(stall, 16 * MIB / wanted.bandwidth)
        return cls(size, timeout, stall, began)

    def see(self, now: float, seen: Seen) -> str:
        """Why to give it up."""
        if not self._moved or seen != self._seen:
            self._moved, self._seen = now, seen
        left = max(0, -(-(seen.whole - seen.done) // MIB))
        if now - self.began > self.timeout_s:
            return (
                f"it was not done within {round(self.timeout_s)} s, with {left} MiB left; allow "
                "more time (timeout_s) or more bandwidth"
            )
        if now - self._moved > self.stall_s:
            return (
                f"nothing was copied for {round(now - self._moved)} s (stall_s), with {left} MiB "
                "left; see that the storage of the backup answers"
            )
        return ""


def told(progress: list[dict[str, Any]], seconds: float, seen: Seen) -> None:
    """Keep how far it has come, of each twentieth once."""
    last = progress[-1]["percent"] if progress else -TOLD_EACH
    if seen.whole and abs(seen.percent - last) >= TOLD_EACH:
        progress.append(
            {"seconds": round(seconds, 1), "percent": seen.percent, "copied_bytes": seen.done}
        )
