# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers questions from an open connection, and from the machine on which this runs.

What only some plans ask for is imported by the question: Ansible compiles all that a module imports
anew in every task.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Optional

from ..engine.facts import Fact, Facts
from ..engine.host import HostFacts
from ..engine.plan import Have
from .connection import Host

Resources = Callable[[Host, Optional[Iterable[str]]], dict[str, Have]]


class Live:
    """A host as it is now. What kinds know how to read comes from them."""

    def __init__(
        self,
        host: Host,
        resources: Mapping[str, Resources],
        answers: Mapping[str, Callable[..., Any]],
    ) -> None:
        self.host = host
        self._resources = resources
        self._answers = {**ANSWERS, **answers}

    def read(self, fact: Fact) -> Any:
        """The answer to one question."""
        return self._answers[fact[0]](self.host, *fact[1:])

    def resources(self, kind: str, names: Sequence[str] | None) -> dict[str, Have]:
        """Resources of a kind, as they are."""
        return self._resources[kind](self.host, names)


def machine_of(host: Host) -> HostFacts:
    """What there is to know of a host at this moment, but for its resources."""
    return HostFacts(Facts(Live(host, {}, {})))


# ---- what libvirt tells


def _refusal(host: Host, definition: str) -> str | None:
    from .judgement import refusal

    return refusal(host, definition)


def _parsed(_host: Host, definition: str) -> dict[str, str] | None:
    from .judgement import parsed

    return parsed(definition)


def _parser_refusal(_host: Host, kind: str, definition: str) -> str:
    from .judgement import parser_refusal

    return parser_refusal(kind, definition)


def _owner(host: Host, kind: str, uuid: str) -> str | None:
    from .lookups import owner_of

    return owner_of(host, kind, uuid)


def _secrets(host: Host) -> Any:
    from .secrets import read_secrets

    return read_secrets(host)


def _cells(host: Host) -> Any:
    from .cells import read_cells

    return read_cells(host.capabilities)


# ---- what the machine tells


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


def _faults(host: Host) -> list[str]:
    """Each run asks, so nothing is imported for it."""
    try:
        text = Path("/run/kvm-fleet/faults").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return text.splitlines() if host.is_local else []


def _of_file(name: str) -> Callable[..., Any]:
    def answer(_host: Host, *of: str) -> Any:
        from . import files

        return getattr(files, name)(*of)

    return answer


def _of_processes(name: str) -> Callable[..., Any]:
    def answer(_host: Host, *of: str) -> Any:
        from . import processes

        return getattr(processes, name)(*of)

    return answer


def _interfaces(_host: Host) -> Any:
    from .interfaces import read_interfaces

    return read_interfaces()


def _far_interface(host: Host, name: str) -> bool | None:
    from .interfaces import read_far_interface

    return read_far_interface(host, name)


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


def _routes(_host: Host) -> Any:
    from .interfaces import read_routes

    return read_routes()


ANSWERS: dict[str, Callable[..., Any]] = {
    "uri": lambda host: host.uri,
    "driver": lambda host: host.driver,
    "version": lambda host: host.version,
    "libvirt_version": lambda host: host.libvirt_version,
    "can_keep_tpm": lambda host: host.can_keep_tpm,
    "state_folder": lambda host: host.state_folder,
    "arch": lambda host: host.arch,
    "best_virt_type": lambda host: host.best_virt_type,
    "machines": lambda host: host.machines,
    "machines_of": lambda host, arch: host.machines_of(arch),
    "cpu_models": lambda host, arch: host.cpu_models(arch),
    "cpu_modes": lambda host, *of: host.cpu_modes(*of),
    "video_models": lambda host, *of: host.video_models(*of),
    "refusal": _refusal,
    "parsed": _parsed,
    "parser_refusal": _parser_refusal,
    "owner": _owner,
    "secrets": _secrets,
    "controllers": _of_memory("read_controllers"),
    "huge_pages": _of_memory("read_huge_pages"),
    "cells": _cells,
    "file": _of_file("read_file"),
    "written": _of_file("read_written"),
    "image": _of_file("read_image"),
    "checksum": _of_file("read_checksum"),
    "folder": _of_file("read_folder"),
    "real_path": _of_file("read_real_path"),
    "place": _of_file("read_place"),
    "open_files": _of_processes("read_open_files"),
    "network_daemons": _of_processes("read_network_daemons"),
    "noted_daemons": _of_processes("read_noted_daemons"),
    "interfaces": _interfaces,
    "far_interface": _far_interface,
    "routes": _routes,
    "capacity": _of_promises("read_capacity"),
    "promises": _of_promises("read_promises"),
    "held": _of_promises("read_held"),
    "faults": _faults,
    "identity": _of_moves("read_identity"),
    "node_devices": _of_moves("read_node_devices"),
    "nwfilters": _of_moves("read_nwfilters"),
    "migratable": _of_moves("read_migratable"),
    "disk_size": _of_moves("read_disk_size"),
    "device_models": _of_moves("read_device_models"),
    "guest_cpus": _of_moves("read_guest_cpus"),
    "cpu_comparison": _of_moves("read_cpu_comparison"),
    "bridge": _of_moves("read_bridge"),
    "clock": _of_machine("read_clock"),
    "lock_manager": _of_machine("read_lock_manager"),
    "mounts": _of_machine("read_mounts"),
    "reaches": _of_machine("read_reaches"),
}
