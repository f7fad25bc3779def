# SPDX-License-Identifier: GPL-3.0-or-later
"""The facts of a host that is connected: what each kind reads of it, and what else it tells.

What only some plans ask for is imported by the question: Ansible compiles all that a module imports
anew in every task.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ..engine.facts import Facts
from ..engine.plan import Have
from ..engine.world import Kind, World
from ..host.connection import Host
from ..host.live import Live
from ..kinds.vm.reader import read_domains


def live_facts(host: Host) -> Facts:
    """The facts of a host as it is now, of which none was asked yet."""
    return Facts(Live(host, RESOURCES, ANSWERS))


def world_of(host: Host, kinds: Iterable[Kind]) -> World:
    """The world as a host is, for a plan or a question."""
    return World(live_facts(host), {kind.name: kind for kind in kinds})


def _resource_pools(host: Host, names: Iterable[str] | None) -> dict[str, Have]:
    from ..kinds.resource_pool.reader import read_pools

    return read_pools(host, names)


def _pools(host: Host, names: Iterable[str] | None) -> dict[str, Have]:
    from ..kinds.storage_pool.reader import read_pools

    return read_pools(host, names)


def _volumes(host: Host, names: Iterable[str] | None) -> dict[str, Have]:
    from ..kinds.storage_volume.reader import read_volumes

    return read_volumes(host, names)


def _vswitches(host: Host, names: Iterable[str] | None) -> dict[str, Have]:
    from ..kinds.vswitch.reader import read_networks

    return read_networks(host, names)


RESOURCES: dict[str, Callable[[Host, Iterable[str] | None], dict[str, Have]]] = {
    "vm": read_domains,
    "resource_pool": _resource_pools,
    "storage_pool": _pools,
    "storage_volume": _volumes,
    "vswitch": _vswitches,
}


# ---- what libvirt tells beside them


def _volume_at(host: Host, path: str) -> str:
    from ..kinds.storage_volume.reader import volume_at

    return volume_at(host, path)


def _snapshots(host: Host, vm: str) -> Any:
    from ..kinds.vm.reader_records import read_snapshots

    return read_snapshots(host, vm)


def _checkpoints(host: Host, vm: str) -> Any:
    from ..kinds.vm.reader_records import read_checkpoints

    return read_checkpoints(host, vm)


def _block_job(host: Host, vm: str, target: str) -> str:
    from ..kinds.vm.reader_records import read_block_job

    return read_block_job(host, vm, target)


def _backup(host: Host, vm: str) -> str:
    from ..kinds.vm.reader_records import read_backup

    return read_backup(host, vm)


def _leases(host: Host, vswitch: str) -> Any:
    from ..kinds.vswitch.reader import read_leases

    return read_leases(host, vswitch)


ANSWERS: dict[str, Callable[..., Any]] = {
    "volume_at": _volume_at,
    "snapshots": _snapshots,
    "checkpoints": _checkpoints,
    "block_job": _block_job,
    "backup": _backup,
    "leases": _leases,
}
