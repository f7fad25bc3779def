# SPDX-License-Identifier: GPL-3.0-or-later
"""When the copy of a disk has gone on for too long, or has come to a stand. Pure: times come in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from ..options import Options
from ..watching import Limits, limits_of
from .options import Declared

MIB = 2**20
TOLD_EACH = 5  # percent


class Seen(NamedTuple):
    """How far the copy is, in bytes: both grow where the guest writes meanwhile."""

    done: int
    whole: int

    @property
    def percent(self) -> int:
        """How much of it is done."""
        return round(100 * self.done / self.whole) if self.whole else 0


def limits(wanted: Declared, size: int) -> Limits:
    """For how long a copy of so many bytes may go on."""
    said = Options(bandwidth=wanted.bandwidth, timeout_s=wanted.timeout_s, stall_s=wanted.stall_s)
    return limits_of(said, size)


@dataclass
class Watch:
    """Sees a copy go on, and says why it is to be given up; empty as long as it is not."""

    limits: Limits
    began: float
    _moved: float = 0.0
    _seen: Seen | None = None

    def see(self, now: float, seen: Seen) -> str:
        """Why to give it up."""
        if not self._moved or seen != self._seen:
            self._moved, self._seen = now, seen
        left = -(-(seen.whole - seen.done) // MIB)
        if now - self.began > self.limits.timeout_s:
            return (
                f"it was not done within {round(self.limits.timeout_s)} s, with {left} MiB left; "
                "allow more time (timeout_s) or more bandwidth"
            )
        if now - self._moved > self.limits.stall_s:
            return (
                f"nothing was copied for {round(now - self._moved)} s (stall_s), with {left} MiB "
                "left; see that the storage it is copied to answers"
            )
        return ""


def told(progress: list[dict[str, Any]], seconds: float, seen: Seen) -> None:
    """Keep how far it has come, of each twentieth once."""
    last = progress[-1]["percent"] if progress else -TOLD_EACH
    if abs(seen.percent - last) >= TOLD_EACH:
        progress.append(
            {
                "seconds": round(seconds, 1),
                "percent": seen.percent,
                "copied_bytes": seen.done,
                "remaining_bytes": seen.whole - seen.done,
            }
        )
