# SPDX-License-Identifier: GPL-3.0-or-later
"""What VMs use over a window: libvirt's counters, read again and again, or given as data."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from ..engine.errors import Mistakes
from ..host.connection import Host, libvirt
from .rightsizing import Sample

NS = 1e-9
KIB = 1024
# What a guest told longer ago than this, it told of another time (virtio-balloon's last update).
FRESH_S = 60.0

Record = Mapping[str, Any]
Samples = dict[str, list[Sample]]  # by VM

SPEC: dict[str, Any] = {
    "vm": {"type": "str", "required": True},
    "at": {"type": "float", "required": True},
    "cpu_s": {"type": "float", "required": True},
    "delay_s": {"type": "float", "default": 0.0},
    "memory_bytes": {"type": "int"},
}


def sampled(host: Host, names: Collection[str], window_s: float, interval_s: float) -> Samples:
    """Samples of running VMs over a window; none of a window of 0 s.

    Of when libvirt counted it is known only that it was within the call, so the middle of that is
    taken, by a clock that nobody sets meanwhile.
    """
    found: Samples = {}
    if window_s <= 0:
        return found
    start, started_at = time.monotonic(), time.time()
    while True:
        began = time.monotonic() - start
        records = _records(host, names)
        ended = time.monotonic() - start
        for name, record in records:
            sample = sample_of(record, time.time())._replace(at=started_at + (began + ended) / 2)
            found.setdefault(name, []).append(sample)
        pause = pause_s(began, ended, window_s, interval_s)
        if pause is None:
            return found
        time.sleep(pause)


def pause_s(began: float, ended: float, window_s: float, interval_s: float) -> float | None:
    """How long to wait after a call for the next, all in seconds of the window; None at its end.

    Half an interval at least: over a moment, not to know when was counted is a peak of many cores.
    """
    least = min(interval_s, window_s) / 2
    left = window_s - ended
    return None if left < least else min(left, max(least, began + interval_s - ended))


def _records(host: Host, names: Collection[str]) -> list[tuple[str, Record]]:
    """The counters of all VMs that run, in one call that waits for none which is busy."""
    stats = (
        libvirt.VIR_DOMAIN_STATS_CPU_TOTAL
        | libvirt.VIR_DOMAIN_STATS_VCPU
        | libvirt.VIR_DOMAIN_STATS_BALLOON
    )
    flags = (
        libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_RUNNING
        | libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT
    )
    with host.errors("", "tell the statistics of VMs"):
        records = host.conn.getAllDomainStats(stats, flags)
    return [(dom.name(), record) for dom, record in records if dom.name() in names]


def sample_of(record: Record, now: float) -> Sample:
    """One record of virConnectGetAllDomainStats as a sample. `now` is the time of the host."""
    delays = (
        record.get(f"vcpu.{number}.delay", 0) for number in range(record.get("vcpu.maximum", 0))
    )
    return Sample(now, record.get("cpu.time", 0) * NS, sum(delays) * NS, _used(record, now))


def _used(record: Record, now: float) -> int | None:
    """The memory that a guest cannot do without: what it has, less what it could give back.

    `usable` counts page cache that can go, which `unused` does not.
    """
    fresh = now - record.get("balloon.last-update", 0) <= FRESH_S
    if not fresh or not {"balloon.current", "balloon.usable"} <= record.keys():
        return None
    return int(max(0, record["balloon.current"] - record["balloon.usable"])) * KIB


def given(samples: Iterable[Mapping[str, Any]] | None, mistakes: Mistakes) -> Samples:
    """Samples that a user has from elsewhere, or from an earlier task."""
    found: Samples = {}
    for number, one in enumerate(samples or ()):
        values = (one["at"], one["cpu_s"], one["delay_s"], one["memory_bytes"] or 0)
        if any(value < 0 for value in values):
            mistakes.add("has a number below 0", field=f"samples[{number}]")
        sample = Sample(one["at"], one["cpu_s"], one["delay_s"], one["memory_bytes"])
        found.setdefault(one["vm"], []).append(sample)
    return found


def together(*of: Samples) -> Samples:
    """Samples of several sources, in the order of their time."""
    names = {name for samples in of for name in samples}
    return {
        name: sorted((s for samples in of for s in samples.get(name, ())), key=lambda s: s.at)
        for name in names
    }


def shown(samples: Samples) -> list[dict[str, Any]]:
    """Samples as they can be given again."""
    return [
        {"vm": name, "at": s.at, "cpu_s": s.cpu_s, "delay_s": s.delay_s, "memory_bytes": s.memory}
        for name, series in sorted(samples.items())
        for s in series
    ]
