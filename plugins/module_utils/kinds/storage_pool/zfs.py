# SPDX-License-Identifier: GPL-3.0-or-later
"""What libvirt does not tell of pools of ZFS (storage_backend_zfs.c, 9.0 to 11.3), from ZFS itself.

It calls free what is not written to yet (`zpool get free`), with all that is kept for volumes, and
makes a zpool without a look whether it is there.
"""

from __future__ import annotations

from ...engine import xmltree
from ...engine.xmltree import Element
from ...host.connection import Host
from ...host.zfs import properties


def free_in_zfs(host: Host, pool: Element) -> int | None:
    """The bytes that ZFS lets be taken; None of another pool, or where it cannot be asked."""
    told = _asked(host, pool, "available")
    return int(told[0]) if told and told[0].isdigit() else None


def is_in_zfs(host: Host, pool: Element) -> bool:
    """Whether ZFS has what a pool stands on; not where it cannot be asked."""
    return bool(_asked(host, pool, "name"))


def _asked(host: Host, pool: Element, what: str) -> list[str]:
    name = xmltree.get(pool, "source/name")
    if pool.get("type") != "zfs" or not name or not host.is_local:
        return []
    return properties(name, what)
