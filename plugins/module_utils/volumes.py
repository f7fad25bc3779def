# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Storage volumes as they are on a host, and what they and their pools say about themselves."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ansible_collections.kvm.fleet.plugins.module_utils import asleep, xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.connection import (
    Host,
    found,
    libvirt,
    patiently,
)
from ansible_collections.kvm.fleet.plugins.module_utils.domains import FEW
from ansible_collections.kvm.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.kvm.fleet.plugins.module_utils.plan import Have
from ansible_collections.kvm.fleet.plugins.module_utils.units import format_size

KIND = "storage_volume"
# What the volumes of a pool are to a VM, by the pool's type.
FILE_POOLS = ("dir", "fs", "netfs")
BLOCK_POOLS = ("logical", "disk", "zfs")
NETWORK_POOLS = ("rbd",)

# Where libvirt makes volumes, and where it can grow them (resizeVol in its backends, 9.0 to 11.3).
MAKES_VOLUMES = (*FILE_POOLS, *BLOCK_POOLS, *NETWORK_POOLS)
GROWS_VOLUMES = (*FILE_POOLS, *NETWORK_POOLS)

# libvirt calls a raw image after a file system that it found in it, and a partition after its type.
RAW_BY_ANOTHER_NAME = {
    "iso", "none", "linux", "fat16", "fat32", "linux-swap", "linux-lvm", "linux-raid", "extended",
}  # fmt: skip

HALF_MADE = "half-made"  # the fact, and the state, of a volume that carries the mark
UNSEEN = "unseen"  # the fact of one in a pool that is not active, and of which nothing is seen

# How long to wait for another run that is making the same volume, or one in the same pool.
OTHER_RUN_TIMEOUT_S = 600.0


# ---- told from names and trees alone


def pool_of(name: str) -> str:
    """The pool in a volume's full name, `POOL/NAME`."""
    return name.partition("/")[0]


def name_in_pool(name: str) -> str:
    """The volume's own name in its full name."""
    return name.partition("/")[2]


def mark_of(name: str) -> str:
    """The volume that stands beside another one as long as that is being made."""
    return f".{name}.partial"


def is_mark(name: str) -> bool:
    """Whether a volume is such a mark."""
    return name.startswith(".") and name.endswith(".partial")


def type_of(pool: Have) -> str:
    """The type of a pool; `dir` of one that check mode only assumes."""
    return pool.stored.get("type", "") if pool.stored is not None else "dir"


def volume_path(pool: Have, name: str) -> str:
    """Where a volume of this pool is on the host, or will be; `""` in a pool without paths."""
    if pool.stored is None:
        return ""
    directory = xmltree.get(pool.stored, "target/path") or ""
    if type_of(pool) == "logical" and not directory:  # libvirt fills it in when it is defined
        directory = f"/dev/{xmltree.get(pool.stored, 'source/name') or pool.name}"
    return f"{directory.rstrip('/')}/{name}" if directory else ""


def disk_source(pool: Have, name: str) -> dict[str, str]:
    """The source of a VM's disk on this volume, as the options of a disk.

    Files and devices are named by their path, since libvirt's AppArmor helper does not resolve
    disks of type volume: such a VM would be denied its own disk. Only pools whose volumes have no
    path that can be told from the name are left to libvirt.
    """
    kind = type_of(pool)
    if kind in FILE_POOLS:
        return {"file": volume_path(pool, name)}
    if kind in BLOCK_POOLS:
        return {"device": volume_path(pool, name)}
    return {"pool": pool.name, "volume": name}


def format_of(volume: Have) -> str:
    """`qcow2`, `raw` or another format that libvirt found; what has no format is a raw device."""
    tree = volume.stored
    found = (tree is not None and xmltree.get(tree, "target/format/@type")) or "raw"
    return "raw" if found in RAW_BY_ANOTHER_NAME else found


def capacity_of(volume: Have) -> int:
    """Bytes that a guest sees."""
    tree = volume.stored
    return int((tree is not None and xmltree.get(tree, "capacity")) or 0)


def backing_of(volume: Have) -> str:
    """The path of the image that a linked clone stands on; `""` of any other volume."""
    tree = volume.stored
    return (tree is not None and xmltree.get(tree, "backingStore/path")) or ""


def described(volume: Have) -> str:
    """A volume as one recognises it: format, size, and when it was last written to."""
    size = f"{format_of(volume)}, {format_size(capacity_of(volume))}"
    tree = volume.stored
    written = tree is not None and xmltree.get(tree, "target/timestamps/mtime")
    return f"{size}, last written {day_of(float(written))}" if written else size


def day_of(seconds: float) -> str:
    """A time as one reads it, in UTC."""
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M UTC")


# ---- volumes as they are on a host


def read_volumes(host: Host, names: Iterable[str] | None) -> dict[str, Have]:
    """The named volumes (None: all), also those that are not there; one listing for each pool."""
    with host.errors("", "read the storage volumes"):
        if names is None:
            active = host.conn.listAllStoragePools(libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE)
            return _read_all(active)
        wanted: dict[str, list[str]] = {}
        for name in names:
            wanted.setdefault(pool_of(name), []).append(name_in_pool(name))
        have = {}
        for pool, volumes in wanted.items():
            have.update(_read_some(host, pool, volumes))
        return have


def read_volumes_of(host: Host, pools: Iterable[str]) -> dict[str, Have]:
    """All volumes of some pools that are active."""
    with host.errors("", "read the storage volumes"):
        return _read_all([host.conn.storagePoolLookupByName(pool) for pool in pools])


def _read_all(pools: Iterable[Any]) -> dict[str, Have]:
    have = {}
    for pool in pools:
        there = _list(pool)
        have.update(_haves(pool.name(), [name for name in there if not is_mark(name)], there))
    return have


def _read_some(host: Host, pool_name: str, names: list[str]) -> dict[str, Have]:
    """libvirt knows the volumes it saw last: once in a run it looks again for what is missing."""
    pool = found(host.conn.storagePoolLookupByName, pool_name, libvirt.VIR_ERR_NO_STORAGE_POOL)
    if pool is None:
        return _haves(pool_name, names, {})
    if not pool.isActive():
        folder = asleep.folder_of(
            host, xmltree.parse(pool.XMLDesc(libvirt.VIR_STORAGE_XML_INACTIVE))
        )
        return {f"{pool_name}/{name}": _unlisted(pool_name, name, folder) for name in names}
    have = _haves(pool_name, names, _look_up(pool, names))
    missing = any(not one.exists for one in have.values())
    if missing and pool_name not in host.refreshed_pools:
        host.refreshed_pools.add(pool_name)
        _check_folder(host, pool)
        refresh_pool(pool)
        have = _haves(pool_name, names, _look_up(pool, names))
    return have


def _unlisted(pool: str, name: str, folder: Path | None) -> Have:
    """A volume of a pool that is not active, as its folder shows it."""
    full_name = f"{pool}/{name}"
    if folder is None:
        return Have(KIND, full_name, facts={UNSEEN: True})
    try:
        if (folder / mark_of(name)).exists():
            return Have(KIND, full_name, facts={HALF_MADE: True})
        return Have(KIND, full_name, asleep.volume_at(folder / name))
    except (OSError, ValueError):
        return Have(KIND, full_name, facts={UNSEEN: True})


def _check_folder(host: Host, pool: Any) -> None:
    """Look before libvirt does, which stops a pool whose folder it does not find."""
    definition = xmltree.parse(pool.XMLDesc(0))
    folder = xmltree.get(definition, "target/path") or ""
    seen = host.is_local and definition.get("type") in FILE_POOLS
    if seen and not Path(folder).exists():
        raise FleetError(
            f"{folder}, the folder of pool {pool.name()}, is not there; put it back, or stop the "
            "pool (state: inactive) and start it, which makes an empty one",
            f"storage_pool/{pool.name()}",
        )


def refresh_pool(pool: Any) -> None:
    """Let libvirt look at a pool anew; it refuses to as long as a copy is made in it."""
    patiently(lambda: pool.refresh(0), OTHER_RUN_TIMEOUT_S)


def _look_up(pool: Any, names: list[str]) -> dict[str, Any]:
    """The volumes and their marks, as far as they are there."""
    if len(names) > FEW:
        return _list(pool)
    wanted = [*names, *(mark_of(name) for name in names)]
    volumes = {name: look_up_volume(pool, name) for name in wanted}
    return {name: volume for name, volume in volumes.items() if volume is not None}


def _list(pool: Any) -> dict[str, Any]:
    return {volume.name(): volume for volume in patiently(pool.listAllVolumes)}


def look_up_volume(pool: Any, name: str) -> Any:
    """libvirt's handle of a volume, None where there is none."""
    return found(pool.storageVolLookupByName, name, libvirt.VIR_ERR_NO_STORAGE_VOL)


def _haves(pool: str, names: Iterable[str], there: dict[str, Any]) -> dict[str, Have]:
    return {f"{pool}/{name}": _have(f"{pool}/{name}", there) for name in names}


def _have(full_name: str, there: dict[str, Any]) -> Have:
    name = name_in_pool(full_name)
    if mark_of(name) in there:
        return Have(KIND, full_name, facts={HALF_MADE: True})
    volume = there.get(name)
    return Have(KIND, full_name, tree_of(volume) if volume is not None else None)


def tree_of(volume: Any) -> xmltree.Element | None:
    """The volume's definition, or None if it has gone since libvirt last looked."""
    try:
        return xmltree.parse(volume.XMLDesc(0))
    except libvirt.libvirtError:
        if _is_gone(volume):
            return None
    # Another run is just making it: libvirt had the name before it had the file.
    return xmltree.parse(volume.XMLDesc(0))


def _is_gone(volume: Any) -> bool:
    """Whether libvirt cannot open a volume, of whose file it still has the name."""
    try:
        volume.info()
    except libvirt.libvirtError as error:
        return error.get_error_code() in (
            libvirt.VIR_ERR_NO_STORAGE_VOL,
            libvirt.VIR_ERR_SYSTEM_ERROR,
        )
    return False
