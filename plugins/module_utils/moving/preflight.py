# SPDX-License-Identifier: GPL-3.0-or-later
"""The pre-flight: every prerequisite of a move, looked at on both hosts without any effect."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from .case import Case
from .checks import (
    accelerated,
    binding,
    carried,
    clashes,
    hardware,
    judged,
    named,
    networks,
    processors,
    resources,
    screens,
    storage,
    way,
)
from .findings import Finding, Report
from .move import Move

Check = Callable[[Case], Iterator[Finding]]

# In the order in which a report tells them.
CHECKS: tuple[Check, ...] = (
    clashes.hosts,
    binding.bindings,
    binding.checkpoints,
    binding.jobs,
    clashes.clashes,
    storage.disks,
    storage.backing,
    storage.room,
    networks.nics,
    processors.versions,
    accelerated.kernels,
    processors.hypervisor,
    processors.machine_type,
    processors.cpu,
    hardware.firmware,
    hardware.devices,
    hardware.security,
    hardware.files,
    screens.screens,
    carried.tpm,
    carried.state_files,
    resources.memory,
    resources.huge_pages,
    resources.placement,
    resources.resource_pool,
    resources.admission,
    clashes.secrets,
    way.network,
    way.transport,
    way.clocks,
    way.leases,
    way.options,
    named.named,
    judged.judged,
)


def preflight(move: Move) -> Report:
    """All that stands for and against a move, not only the first."""
    return examined(Case(move))


def examined(case: Case) -> Report:
    """The same of a case that is known."""
    return Report(tuple(finding for check in CHECKS for finding in check(case)))
