# SPDX-License-Identifier: GPL-3.0-or-later
"""When a live migration has gone on for too long, or has come to a stand. Pure: times come in.

libvirt itself waits for ever: a cut migration network gives no error, and a guest that writes
faster than the network takes it is copied without end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .options import CANCEL, Options

GIB = 2**30
# Where nothing else was said: so long for each GiB that goes over, and at least as long as for two.
DEADLINE_S_PER_GIB = 300.0
LEAST_GIB = 2.0
# With a limited bandwidth a guest that writes needs more rounds than one.
ROUNDS = 4.0
# What QEMU sends of a disk at once, before it waits for as long as the bandwidth says.
BURST = 16 * 2**20
# Until the target's QEMU is up and takes data, the source has no job, and to cancel means nothing:
# 7 to 18 s were seen in emulated hosts, three minutes of a busy one for encryption.
PREPARE_S = 300.0
# How long it may take to connect then.
START_S = 120.0
# How long the target's libvirt may leave a question open. Once all memory is over, libvirt tells it
# to let the guest run: told to one that hangs, that is taken for a failure, the guest goes on at
# the source, and it runs twice when the other wakes. Cancelled before, it is told the opposite.
SILENCE_S = 10.0

STALLED = "stalled"
GOES_ON, ABORT, DO_PAUSE, SWITCH = "", "abort", "pause", "post_copy"

# What moves while a migration does. Times are not in it: they always do.
_MOVES = (
    *("data_processed", "memory_processed", "memory_iteration", "disk_processed", "setup_time"),
    *("memory_postcopy_requests", "memory_normal", "memory_constant"),
)


class Limits(NamedTuple):
    """For how long a migration may go on."""

    timeout_s: float
    stall_s: float
    on_timeout: str = CANCEL


def limits_of(options: Options, size: int) -> Limits:
    """The limits of a migration that has to move so many bytes at least once."""
    timeout, stall = float(options.timeout_s), float(options.stall_s)
    if options.bandwidth:
        stall = max(stall, BURST / options.bandwidth)
    if not timeout:
        timeout = DEADLINE_S_PER_GIB * max(size / GIB, LEAST_GIB)
        if options.bandwidth:
            timeout = max(timeout, ROUNDS * size / options.bandwidth)
    return Limits(timeout, stall, options.on_timeout)


@dataclass
class Watch:
    """Sees a migration go on, and says what is to be done about it."""

    limits: Limits
    began: float
    why: str = ""  # why it was to be aborted
    acted: bool = False  # whether what on_timeout says was done
    _moved: float = 0.0
    _begun: bool = False  # whether the source has a job
    _seen: tuple[Any, ...] = field(default=())

    def see(self, now: float, job: Mapping[str, Any], silent_s: float = 0.0) -> str:
        """What is to be done: nothing, ABORT, DO_PAUSE or SWITCH.

        silent_s: for how long the target has not answered a question.
        """
        self._note(now, job)
        if not self.why and silent_s > SILENCE_S:
            self.why = f"libvirt at the target has not answered for {round(silent_s)} s"
            return ABORT
        if not self.why and now - self._moved > self._patience:
            self.why = self._why_it_stands(round(now - self._moved))
            return ABORT
        if self.acted or self.why or now - self.began <= self.limits.timeout_s:
            return GOES_ON
        self.acted = True
        if self.limits.on_timeout != CANCEL:
            return self.limits.on_timeout
        self.why = f"it was not done within {round(self.limits.timeout_s)} s; {_advice(job)}"
        return ABORT

    def _note(self, now: float, job: Mapping[str, Any]) -> None:
        seen = tuple(job.get(name) for name in _MOVES)
        begins = bool(job.get("type")) and not self._begun
        self._begun = self._begun or begins
        if begins or not self._moved:
            self._moved = now if begins else self.began
        if any(seen) and seen != self._seen:
            self._moved = now
            self._seen = seen

    @property
    def _patience(self) -> float:
        if self._seen:
            return self.limits.stall_s
        return max(START_S if self._begun else PREPARE_S, self.limits.stall_s)

    def _why_it_stands(self, seconds: int) -> str:
        if not self._begun:
            return (
                f"the target was not ready to take it within {seconds} s; see what its QEMU and "
                "its libvirt wait for (their logs there), or allow more (stall_s)"
            )
        return (
            f"nothing was transferred for {seconds} s (stall_s); see that the hosts reach each "
            "other over the migration network"
        )


def _advice(job: Mapping[str, Any]) -> str:
    left = int(job.get("data_remaining") or 0)
    rounds = int(job.get("memory_iteration") or 0)
    return (
        f"{-(-left // 2**20)} MiB were left in round {rounds}; allow more time (timeout_s), more "
        "bandwidth or a longer pause (downtime_ms), slow the guest down (auto_converge), or let it "
        "be paused (on_timeout: pause)"
    )


def progress_of(seconds: float, job: Mapping[str, Any]) -> dict[str, Any]:
    """How far a migration has come, as it is told while it goes on."""
    total, left = int(job.get("data_total") or 0), int(job.get("data_remaining") or 0)
    done = int(job.get("data_processed") or 0)
    return {
        "seconds": round(seconds, 1),
        "percent": round(100 * (total - left) / total) if total else 0,
        "remaining_bytes": left,
        "transferred_bytes": done,
        "bytes_per_s": int(job.get("memory_bps") or 0) + int(job.get("disk_bps") or 0),
        "rounds": int(job.get("memory_iteration") or 0),
    }
