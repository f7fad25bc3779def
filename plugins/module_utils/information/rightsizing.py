# SPDX-License-Identifier: GPL-3.0-or-later
"""What size a VM should have, by what it used: pure, so that it can be tried on recorded numbers.

A size is right where the average use is 60 to 70 % of it and the measured peak fits, with a margin
above it. What is measured is never taken for all that a VM could use: a proposal is never below the
peak and its margin, and one that is right is left alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, Optional

MIB = 2**20
# Fewer intervals than this are a moment, and no use that a size could be drawn from.
FEWEST_INTERVALS = 3
# Below this no guest boots.
SMALLEST = 64 * MIB
# From this part of what a VM can have, it may well have wanted more than it got.
AT_ITS_CEILING = 0.95


class Aim(NamedTuple):
    """What a proposal is to reach."""

    low: float = 0.60  # the average use, as a part of the size
    high: float = 0.70
    margin: float = 0.15  # above the measured peak

    @property
    def middle(self) -> float:
        return (self.low + self.high) / 2


class Sample(NamedTuple):
    """What was counted of one VM at one moment."""

    at: float  # seconds, of any one clock
    cpu_s: float  # CPU time since it was started
    delay_s: float = 0.0  # time for which its vCPUs were ready to run, and others ran
    memory: int | None = None  # bytes in use inside, None where the guest does not tell


class Use(NamedTuple):
    """What was used over a window: an average and a peak."""

    average: float
    peak: float


class Measured(NamedTuple):
    """What samples say of one VM."""

    window_s: float
    intervals: int
    cpu: Use | None  # cores that it used or waited for
    memory: Use | None  # bytes


class Has(NamedTuple):
    """What a VM has and holds."""

    cpus: int
    memory: int  # bytes
    cpu_limit: float = 0.0  # cores; 0 for none
    cpu_reservation: float = 0.0
    memory_reservation: int = 0
    reserves_all: bool = False


class Proposal(NamedTuple):
    """What a VM should have; None for what is to stay as it is."""

    cpus: int | None = None
    cpu_limit: float | None = None
    cpu_reservation: float | None = None
    memory: int | None = None
    memory_reservation: int | None = None
    why: tuple[str, ...] = ()

    @property
    def changes(self) -> bool:
        """Whether there is anything to change."""
        return any(value is not None for value in self[:-1])


def measured(samples: Sequence[Sample]) -> Measured:
    """What a series of samples says. Intervals in which the VM was started anew do not count."""
    ordered = sorted(samples, key=lambda sample: sample.at)
    pairs = [(a, b) for a, b in zip(ordered, ordered[1:]) if b.at > a.at and b.cpu_s >= a.cpu_s]
    window = sum(b.at - a.at for a, b in pairs)
    if not pairs:
        return Measured(0.0, 0, None, None)
    wanted = [b.cpu_s - a.cpu_s + max(0.0, b.delay_s - a.delay_s) for a, b in pairs]
    peak = max(cores / (b.at - a.at) for cores, (a, b) in zip(wanted, pairs))
    told = [sample.memory for sample in ordered if sample.memory is not None]
    memory = Use(sum(told) / len(told), max(told)) if told else None
    return Measured(window, len(pairs), Use(sum(wanted) / window, peak), memory)


def proposed(has: Has, found: Measured, aim: Aim) -> Proposal:
    """The size that a VM should have by what it used."""
    if found.intervals < FEWEST_INTERVALS:
        return Proposal(why=(f"measured {found.intervals} times, of {FEWEST_INTERVALS} at least",))
    cpu, cpu_why = _cpu(has, found.cpu, aim)
    memory, memory_why = _memory(has, found.memory, aim)
    return Proposal(*cpu, *memory, why=(*cpu_why, *memory_why))


# ---- CPU

Cpu = tuple[Optional[int], Optional[float], Optional[float]]


def _cpu(has: Has, use: Use | None, aim: Aim) -> tuple[Cpu, list[str]]:
    if use is None:
        return (None, None, None), ["cpu: not measured"]
    cpus = _vcpus(has.cpus, use, aim)
    limit = _cores(has.cpu_limit, use, aim)
    reservation = _cores(has.cpu_reservation, use, aim)
    if limit is not None:
        limit = min(limit, float(cpus))
    ceiling = float(cpus) if not has.cpu_limit else (limit or has.cpu_limit)
    if reservation is not None:
        reservation = min(reservation, ceiling)
    why = _why("cpu", use, min(has.cpus, has.cpu_limit or has.cpus), _said_cores)
    changes = (
        cpus if cpus != has.cpus else None,
        limit if limit != has.cpu_limit else None,
        reservation if reservation != has.cpu_reservation else None,
    )
    return changes, why


def _vcpus(has: int, use: Use, aim: Aim) -> int:
    """Whole vCPUs: as few as are not used above the aim, and hold the peak."""
    least = max(1, int(_up(use.peak * (1 + aim.margin), 1)))
    if has >= least and aim.low <= use.average / has <= aim.high:
        return has
    return max(least, int(_up(use.average / aim.high, 1)))


def _cores(has: float, use: Use, aim: Aim) -> float | None:
    """Cores in tenths, of a limit or a reservation; None where there is none."""
    if not has:
        return None
    least = use.peak * (1 + aim.margin)
    if has >= least and aim.low <= use.average / has <= aim.high:
        return has
    return max(_up(max(least, use.average / aim.middle), 0.1), 0.1)


# ---- memory

Memory = tuple[Optional[int], Optional[int]]


def _memory(has: Has, use: Use | None, aim: Aim) -> tuple[Memory, list[str]]:
    if use is None:
        return (None, None), [
            "memory: its guest does not tell what it uses; it does with a balloon, its driver and "
            "memory.balloon_stats_period_s"
        ]
    size = _bytes(has.memory, use, aim)
    held = has.memory_reservation
    reservation = min(_bytes(held, use, aim), size) if held and not has.reserves_all else held
    why = _why("memory", use, has.memory, _said_bytes)
    return (
        size if size != has.memory else None,
        reservation if reservation != held else None,
    ), why


def _bytes(has: int, use: Use, aim: Aim) -> int:
    least = use.peak * (1 + aim.margin)
    if has >= least and aim.low <= use.average / has <= aim.high:
        return has
    wanted = max(least, use.average / aim.middle, SMALLEST)
    return int(_up(wanted, _step(wanted)))


def _step(size: float) -> int:
    """What sizes are rounded to, so that nobody has to read 1,337 MiB."""
    return 64 * MIB if size <= 1024 * MIB else 256 * MIB if size <= 8192 * MIB else 1024 * MIB


# ---- what both need


def _up(value: float, step: float) -> float:
    """Up to a multiple of a step; a hair above one, of reckoning with fractions, is that one."""
    return round(math.ceil(round(value / step, 6)) * step, 3)


def _why(what: str, use: Use, has: float, said: Callable[[float], str]) -> list[str]:
    average, peak = use.average / has, use.peak / has
    why = [
        f"{what}: used {said(use.average)} of {said(has)} on average ({average:.0%}), "
        f"{said(use.peak)} at most"
    ]
    if peak >= AT_ITS_CEILING:
        why.append(f"{what}: used all that it has; measure again when it has more")
    return why


def _said_cores(cores: float) -> str:
    return f"{cores:.2f} cores"


def _said_bytes(size: float) -> str:
    return f"{size / MIB:.0f} MiB"
