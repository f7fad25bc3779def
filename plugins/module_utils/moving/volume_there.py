# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan for the volume into which a disk is copied, as it is for one that is declared."""

from __future__ import annotations

from collections.abc import Iterator

from ..engine import xmltree
from ..engine.looked_at import Layout
from ..engine.plan import CREATE, Have, Plan, Wanted
from ..kinds.storage_volume.layouts import put_layout
from ..kinds.storage_volume.volumes import BLOCK_POOLS, FILE_POOLS, type_of
from .fate import DiskFate


def plan_of(
    pool: Have,
    fate: DiskFate,
    capacity: int,
    empty: bool = False,
    copy_of: str = "",
    layout: Layout | None = None,
) -> Plan:
    """The plan for a volume of a pool, which keeps its mark until its disk is there.

    `empty` is one that gets a whole file as it is at the source, and with it its format. `copy_of`
    is the volume, POOL/NAME, that libvirt itself fills it from. `layout` is that of a qcow2, where
    it is not as QEMU makes one. A partition cannot have a mark.
    """
    full = f"{fate.pool_there}/{fate.volume_there}"
    pool_type = type_of(pool)
    tree = xmltree.Element("volume")
    for path, value in _definition(fate, capacity, pool_type, empty and pool_type in FILE_POOLS):
        xmltree.put(tree, path, value)
    if layout is not None:
        put_layout(tree, layout)
    options = {"moved": pool_type != "disk", "copy_of": copy_of}
    wanted = Wanted("storage_volume", full, "present", options=options)
    after = Have("storage_volume", full, tree, facts={"pool_type": pool_type})
    return Plan(wanted, CREATE, Have("storage_volume", full), after)


def _definition(
    fate: DiskFate, capacity: int, pool_type: str, empty: bool
) -> Iterator[tuple[str, str]]:
    yield "name", fate.volume_there
    yield "capacity", "0" if empty else str(capacity)
    # Of less libvirt makes a snapshot in an LVM group, which is invalid as soon as it is full.
    yield "allocation", str(capacity) if pool_type in BLOCK_POOLS else "0"
    if empty:
        yield "target/format/@type", "raw"
        return
    if pool_type in FILE_POOLS:
        yield "target/format/@type", fate.format or "raw"
    if fate.format == "qcow2":
        yield "target/compat", "1.1"
    if fate.backing:
        yield "backingStore/path", fate.backing
        yield "backingStore/format/@type", fate.backing_format or "raw"
