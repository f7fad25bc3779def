# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells of a pool that turns out to be full in one sentence, with how full it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from ...engine import xmltree
from ...engine.errors import ConnectionLost, FleetError
from ...engine.plan import Plan
from ...engine.units import format_size
from ...host.connection import Host, libvirt
from .volumes import capacity_of, pool_of

# As the operating system, LVM and libvirt's pools of partitions say it.
FULL = ("No space left", "insufficient free space", "no large enough free extent", "quota exceeded")


@contextmanager
def told_where_full(host: Host, plan: Plan) -> Iterator[None]:
    """Have a FleetError say which pool is full, where that is what is wrong."""
    try:
        yield
    except ConnectionLost:
        raise
    except FleetError as error:
        why = next((words for words in FULL if words.lower() in error.message.lower()), "")
        if not why:
            raise
        raise FleetError(_said(host, plan, why), plan.resource, "capacity") from error


def _said(host: Host, plan: Plan, why: str) -> str:
    pool, tree = pool_of(plan.wanted.name), plan.after.definition
    allocation = int(xmltree.get(tree, "allocation") or 0)
    size = allocation or capacity_of(plan.after)
    takes = f"takes {'' if allocation else 'up to '}{format_size(size)}" if size else "is made"
    return (
        f"{takes}, and there was no room for it in pool {pool}{_free(host, pool)} ({why}); nothing "
        "of it is left: make room there, or name another pool"
    )


def _free(host: Host, name: str) -> str:
    with suppress(libvirt.libvirtError):
        pool = host.conn.storagePoolLookupByName(name)
        with suppress(libvirt.libvirtError):
            pool.refresh(0)
        return f", which has {format_size(pool.info()[3])} free now"
    return ""
