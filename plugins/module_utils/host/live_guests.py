# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers what the machine has for guests: memory, CPUs, what is promised of
them, and who gives leases."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..engine.facts import Reads
from .connection import Host


def _cells(host: Host) -> Any:
    from .cells import read_cells

    return read_cells(host.capabilities)


def _of_memory(name: str) -> Callable[..., Any]:
    def answer(host: Host, *of: str) -> Any:
        from . import memory

        return getattr(memory, name)(host, *of)

    return answer


def _of_promises(name: str) -> Callable[..., Any]:
    def answer(host: Host) -> Any:
        from . import promised

        return getattr(promised, name)(host)

    return answer


def _lock_manager(host: Host) -> str | None:
    from .lock_manager import read_lock_manager

    return read_lock_manager(host)


def _faults(host: Host) -> list[str]:
    """Each run asks, so nothing is imported for it."""
    try:
        text = Path("/run/kvm-fleet/faults").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return text.splitlines() if host.is_local else []


READS = Reads(
    answers={
        "controllers": _of_memory("read_controllers"),
        "huge_pages": _of_memory("read_huge_pages"),
        "cells": _cells,
        "capacity": _of_promises("read_capacity"),
        "promises": _of_promises("read_promises"),
        "held": _of_promises("read_held"),
        "faults": _faults,
        "lock_manager": _lock_manager,
    }
)
