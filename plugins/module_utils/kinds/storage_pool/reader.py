# SPDX-License-Identifier: GPL-3.0-or-later
"""Storage pools as they are on a host."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from ...engine import xmltree
from ...engine.plan import Have
from ...host.connection import Host, libvirt
from .zfs import free_in_zfs


def read_pools(host: Host, names: Iterable[str] | None) -> dict[str, Have]:
    """The named pools (None: all), also those that are not there."""
    with host.errors("", "read the storage pools"):
        there = {pool.name(): pool for pool in host.conn.listAllStoragePools()}
        wanted = list(there) if names is None else list(names)
        return {
            name: _have(host, there[name]) if name in there else Have("storage_pool", name)
            for name in wanted
        }


def read_free_in(host: Host, name: str) -> int | None:
    """What is free in a pool when libvirt has looked at it anew; None where it does not tell."""
    with suppress(libvirt.libvirtError):
        pool = host.conn.storagePoolLookupByName(name)
        with suppress(libvirt.libvirtError):  # a copy is being made in it, and changes it anyway
            pool.refresh(0)
        free = free_in_zfs(host, xmltree.parse(pool.XMLDesc(0)))
        return int(pool.info()[3]) if free is None else free
    return None


def _have(host: Host, pool: Any) -> Have:
    active, persistent = bool(pool.isActive()), bool(pool.isPersistent())
    facts = {
        "state": "active" if active else "inactive",
        "autostart": bool(pool.autostart()) if persistent else False,
        "persistent": persistent,
    }
    # The test driver has one definition of a pool, and refuses the flag for the other.
    inactive = 0 if host.driver == "TEST" else libvirt.VIR_STORAGE_XML_INACTIVE
    stored = xmltree.parse(pool.XMLDesc(inactive))
    live = xmltree.parse(pool.XMLDesc(0)) if active else None
    if live is not None and (free := free_in_zfs(host, live)) is not None:
        xmltree.put(live, "available", str(free))
    return Have("storage_pool", pool.name(), stored, live, facts)
