# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers what moves of VMs between hosts ask of each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..engine.facts import Reads
from .connection import Host


def _of_moves(name: str) -> Callable[..., Any]:
    def answer(host: Host, *of: str) -> Any:
        from . import moves

        return getattr(moves, name)(host, *of)

    return answer


def _of_machine(name: str) -> Callable[..., Any]:
    def answer(host: Host, *of: str) -> Any:
        from . import machine_moves

        return getattr(machine_moves, name)(host, *of)

    return answer


READS = Reads(
    answers={
        "identity": _of_moves("read_identity"),
        "node_devices": _of_moves("read_node_devices"),
        "migratable": _of_moves("read_migratable"),
        "post_copy": _of_moves("read_post_copy"),
        "disk_size": _of_moves("read_disk_size"),
        "inside": _of_moves("read_inside"),
        "device_models": _of_moves("read_device_models"),
        "guest_cpus": _of_moves("read_guest_cpus"),
        "cpu_comparison": _of_moves("read_cpu_comparison"),
        "bridge": _of_moves("read_bridge"),
        "addresses": _of_machine("read_addresses"),
        "clock": _of_machine("read_clock"),
        "kernel": _of_machine("read_kernel"),
        "mounts": _of_machine("read_mounts"),
    }
)
