# SPDX-License-Identifier: GPL-3.0-or-later
"""What there is of storage on a host: pools, their volumes, and the VMs that use them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ..engine import xmltree
from ..engine.keys import PRESENT
from ..engine.plan import Have
from ..host.connection import Host
from ..kinds.storage_pool.kind import KIND as POOL
from ..kinds.storage_pool.reader import read_pools
from ..kinds.storage_pool.told import unmanaged
from ..kinds.storage_volume.kind import KIND as VOLUME
from ..kinds.storage_volume.reader import read_volumes
from ..kinds.storage_volume.volumes import image_in, pool_of
from ..kinds.vm.reader import read_domains
from ..kinds.vm.reader_records import read_snapshots
from .storage_uses import (
    is_folder,
    named_in,
    provisioned,
    standing_on,
    users_of,
    users_of_disks,
)


def gather(host: Host, params: Mapping[str, Any]) -> dict[str, Any]:
    """The pools that were asked for (all, if none was named), with their volumes if wanted."""
    pools = read_pools(host, params["pools"])
    told = [_told(pool) for pool in pools.values()]
    if params["volumes"]:
        by_pool = _volumes_by_pool(host)
        for pool in told:
            pool["volumes"] = by_pool.get(pool["name"], [])
            if "capacity_bytes" in pool:
                pool.update(provisioned(pool, pool["volumes"]))
    return {"pools": sorted(told, key=lambda pool: str(pool["name"]))}


def _volumes_by_pool(host: Host) -> dict[str, list[dict[str, Any]]]:
    """All volumes of all active pools, since one may stand on another of another pool."""
    resolve = _without_links if host.is_local else str
    volumes, domains = read_volumes(host, None), read_domains(host)
    users = users_of_disks(domains.values())
    trees = [
        tree for one in domains.values() for tree in (one.stored, one.live) if tree is not None
    ]
    records = [xmltree.parse(text) for name in domains for text, _now in read_snapshots(host, name)]
    named = named_in([*trees, *records], resolve)
    above = standing_on(volumes.values(), resolve)
    found: dict[str, list[dict[str, Any]]] = {}
    for name, volume in sorted(volumes.items()):
        path = resolve(image_in(volume.stored))
        row = {**VOLUME.result(volume), "used_by": users_of(volume, users)}
        row["stood_on_by"] = above.get(path, [])
        idle = not row["stood_on_by"] and path not in named and name not in named
        row["orphan"] = idle and row["state"] == str(PRESENT) and not is_folder(volume)
        found.setdefault(pool_of(name), []).append(row)
    return found


def _without_links(path: str) -> str:
    return os.path.realpath(path) if path.startswith("/") else path


def _told(pool: Have) -> dict[str, Any]:
    beside = {"unmanaged": unmanaged(pool.stored)} if pool.stored is not None else {}
    return {**POOL.result(pool), **beside}
