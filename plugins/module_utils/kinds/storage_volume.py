# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Storage volumes: what a pool holds, declared as `POOL/NAME`."""

from __future__ import annotations

from ansible_collections.kvm.fleet.plugins.module_utils import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.plan import Have

FILE_POOLS = ("dir", "fs", "netfs", "vstorage")
BLOCK_POOLS = ("logical", "disk", "zfs")


# ---- what other kinds ask of a volume


def volume_path(pool: Have, name: str) -> str:
    """Where a volume of this pool is on the host, or will be; `""` in a pool without paths."""
    tree = pool.stored
    directory = (tree is not None and xmltree.get(tree, "target/path")) or ""
    return f"{directory.rstrip('/')}/{name}" if directory else ""


def disk_source(pool: Have, name: str) -> dict[str, str]:
    """The source of a VM's disk on this volume, as the options of a disk.

    Files and devices are named by their path, since libvirt's AppArmor helper does not resolve disks
    of type volume: such a VM would be denied its own disk. Only pools whose volumes have no path that
    can be told from the name are left to libvirt.
    """
    kind = pool.stored.get("type") if pool.stored is not None else None
    if kind in FILE_POOLS:
        return {"file": volume_path(pool, name)}
    if kind in BLOCK_POOLS:
        return {"device": volume_path(pool, name)}
    return {"pool": pool.name, "volume": name}


def format_of(volume: Have) -> str:
    """`qcow2`, `raw` or another format that libvirt found; what has no format is a raw device."""
    tree = volume.stored
    found = (tree is not None and xmltree.get(tree, "target/format/@type")) or "raw"
    return "raw" if found in _RAW_BY_ANOTHER_NAME else found


# libvirt calls a raw image after a file system that it found in it, a partition after its type.
_RAW_BY_ANOTHER_NAME = {
    "iso", "none", "linux", "fat16", "fat32", "linux-swap", "linux-lvm", "linux-raid", "extended",
}  # fmt: skip


def capacity_of(volume: Have) -> int:
    """Bytes that a guest sees."""
    tree = volume.stored
    return int((tree is not None and xmltree.get(tree, "capacity")) or 0)
