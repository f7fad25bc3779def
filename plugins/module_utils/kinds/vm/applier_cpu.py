# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings CPU time to VMs that run, and their threads to CPUs. Decides nothing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...engine.changes import Change
from ...engine.cpu_lists import cpus_in
from ...engine.xmltree import Element
from ...host.connection import libvirt
from . import cpu_time, pinning

NO_QUOTA = -1


def bring_time(dom: Any, runs: Element, changes: Iterable[Change]) -> None:
    """Set shares and the quota; that is of the period which runs."""
    parameters = {}
    for change in changes:
        if change.field == cpu_time.SHARES:
            parameters["cpu_shares"] = change.after
        elif change.after:
            period_us = cpu_time.period_of(runs)
            parameters["global_quota"] = cpu_time.quota(change.after, period_us)
        else:
            parameters["global_quota"] = NO_QUOTA
    dom.setSchedulerParametersFlags(parameters, libvirt.VIR_DOMAIN_AFFECT_LIVE)


def bring_pins(dom: Any, changes: Iterable[Change]) -> None:
    """Pin what is pinned otherwise now; of a mapping that is not each thread."""
    cpus = dom.connect().getCPUMap()[0]
    live = libvirt.VIR_DOMAIN_AFFECT_LIVE
    for change in changes:
        if change.field == pinning.EMULATOR:
            dom.pinEmulator(_map(change.after, cpus), live)
            continue
        pin = dom.pinVcpuFlags if change.field == pinning.VCPUS else dom.pinIOThread
        now = change.before if change.live is None else change.live
        for thread, some in change.after.items():
            if now.get(thread) != some:
                pin(int(thread), _map(some, cpus), live)


def _map(some: str, cpus: int) -> tuple[bool, ...]:
    return tuple(cpu in cpus_in(some) for cpu in range(cpus))
