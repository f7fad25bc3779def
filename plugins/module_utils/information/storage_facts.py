# SPDX-License-Identifier: GPL-3.0-or-later
"""What there is of storage on a host: pools, their volumes, and the VMs that use them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..engine import xmltree
from ..engine.plan import Have
from ..host.connection import Host
from ..kinds.storage_pool.kind import KIND as POOL
from ..kinds.storage_pool.reader import read_pools
from ..kinds.storage_pool.told import unmanaged
from ..kinds.storage_volume.kind import KIND as VOLUME
from ..kinds.storage_volume.reader import read_volumes_of
from ..kinds.storage_volume.volumes import pool_of
from ..kinds.vm.reader import read_domains


def gather(host: Host, params: Mapping[str, Any]) -> dict[str, Any]:
    """The pools that were asked for (all, if none was named), with their volumes if wanted."""
    pools = read_pools(host, params["pools"])
    told = [_told(pool) for pool in pools.values()]
    if params["volumes"]:
        active = [name for name, pool in pools.items() if pool.live is not None]
        volumes = read_volumes_of(host, active)
        users = users_of_disks(read_domains(host).values())
        for pool in told:
            pool["volumes"] = [
                {**VOLUME.result(volume), "used_by": _users(volume, users)}
                for name, volume in sorted(volumes.items())
                if pool_of(name) == pool["name"]
            ]
    return {"pools": sorted(told, key=lambda pool: str(pool["name"]))}


def _told(pool: Have) -> dict[str, Any]:
    beside = {"unmanaged": unmanaged(pool.stored)} if pool.stored is not None else {}
    return {**POOL.result(pool), **beside}


def users_of_disks(domains: Iterable[Have]) -> dict[str, list[str]]:
    """The VMs, as stored and as they run, by what their disks are on: a path or `POOL/NAME`."""
    users: dict[str, set[str]] = {}
    for domain in domains:
        for tree in (domain.stored, domain.live):
            for source in tree.iterfind("devices/disk/source") if tree is not None else ():
                users.setdefault(_place(source), set()).add(domain.name)
    return {place: sorted(names) for place, names in users.items()}


def _place(source: xmltree.Element) -> str:
    if source.get("pool"):
        return f"{source.get('pool')}/{source.get('volume')}"
    return source.get("file") or source.get("dev") or ""


def _users(volume: Have, users: Mapping[str, list[str]]) -> list[str]:
    path = xmltree.get(volume.stored, "target/path") if volume.stored is not None else None
    return sorted({*users.get(path or "-", ()), *users.get(volume.name, ())})
