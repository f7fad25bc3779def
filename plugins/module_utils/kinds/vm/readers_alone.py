# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read of VMs alone; each is imported where it is asked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...engine.facts import Reads
from ...engine.plan import Have
from ...host.connection import Host


def _domains(host: Host, names: Iterable[str] | None) -> dict[str, Have]:
    from .reader import read_domains

    return read_domains(host, names)


def _snapshots(host: Host, vm: str) -> Any:
    from .reader_records import read_snapshots

    return read_snapshots(host, vm)


def _inner_snapshots(host: Host, vm: str, target: str) -> Any:
    from .reader_records import read_inner_snapshots

    return read_inner_snapshots(host, vm, target)


def _checkpoints(host: Host, vm: str) -> Any:
    from .reader_records import read_checkpoints

    return read_checkpoints(host, vm)


def _block_job(host: Host, vm: str, target: str) -> Any:
    from .reader_records import read_block_job

    return read_block_job(host, vm, target)


def _vm_job(host: Host, vm: str) -> Any:
    from .reader_records import read_vm_job

    return read_vm_job(host, vm)


def _backup(host: Host, vm: str) -> Any:
    from .reader_records import read_backup

    return read_backup(host, vm)


VMS = Reads({"vm": _domains})
RECORDS = Reads(
    answers={
        "snapshots": _snapshots,
        "inner_snapshots": _inner_snapshots,
        "checkpoints": _checkpoints,
        "block_job": _block_job,
        "backup": _backup,
        "vm_job": _vm_job,
    }
)
