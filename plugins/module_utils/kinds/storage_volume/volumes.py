# SPDX-License-Identifier: GPL-3.0-or-later
"""What storage volumes and their pools say about themselves, by names and trees alone."""

from __future__ import annotations

from datetime import datetime, timezone

from ...engine import xmltree
from ...engine.errors import FleetError
from ...engine.plan import Have, Plan
from ...engine.units import format_size, parse_size

KIND = "storage_volume"
# What the volumes of a pool are to a VM, by the pool's type.
FILE_POOLS = ("dir", "fs", "netfs")
ZFS = "zfs"
BLOCK_POOLS = ("logical", "disk", ZFS)
NETWORK_POOLS = ("rbd",)

# Of these libvirt opens no volume for a VM (virDomainDiskTranslateSourcePool, 9.0 to 11.3).
NOT_FOR_VMS = (*NETWORK_POOLS, "gluster", "sheepdog")

# Where libvirt makes volumes, and where it can grow them (resizeVol in its backends, 9.0 to 11.3).
MAKES_VOLUMES = (*FILE_POOLS, *BLOCK_POOLS, *NETWORK_POOLS)
# Where it can overwrite them (wipeVol in its backends), and by what: all but `zero` by scrub.
WIPES_VOLUMES = (*FILE_POOLS, "logical", "disk")
ZERO = "zero"
WIPED_BY = (
    *(ZERO, "nnsa", "dod", "bsi", "gutmann", "schneier", "pfitzner7", "pfitzner33", "random"),
)
GROWS_VOLUMES = (*FILE_POOLS, *NETWORK_POOLS)

SECTOR, KIB = 512, 1024

# libvirt calls a raw image after a file system that it found in it, and a partition after its type.
RAW_BY_ANOTHER_NAME = {
    "iso", "none", "linux", "fat16", "fat32", "linux-swap", "linux-lvm", "linux-raid", "extended",
}  # fmt: skip

# Pools of block devices round a capacity up to what they allocate in, 4 MiB for LVM unless its
# volume group says otherwise. A volume this little above what is wanted is the one that is wanted.
ROUNDING = {"logical": parse_size("32MiB"), "disk": parse_size("8MiB"), ZFS: parse_size("1MiB")}

HALF_MADE = "half-made"  # the fact, and the state, of a volume that carries the mark
HOLDS = "holds"  # the fact of one that is planned: the bytes that it will have at least
AS_ORIGIN = "as_origin"  # the fact of a copy of what is yet to be fetched: it is laid out as that
UNREADABLE = "unreadable"  # the fact of one of which libvirt does not tell what it is, and why
UNSEEN = "unseen"  # the fact of one in a pool that is not active, and of which nothing is seen


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


def without_folder(pool: str, folder: str) -> FleetError:
    """What is wrong where the folder of an active pool is gone: nobody can tell of its volumes."""
    return FleetError(
        f"{folder}, the folder of pool {pool}, is not there; put it back, or stop the pool (state: "
        "inactive) and start it, which makes an empty one",
        f"storage_pool/{pool}",
    )


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


def image_in(volume: xmltree.Element | None) -> str:
    """What disks call the image of a volume: its path, or the name of one that Ceph has.

    libvirt tells the name in Ceph, `POOL/IMAGE`, as its path.
    """
    path = (xmltree.get(volume, "target/path") if volume is not None else "") or ""
    is_named = volume is not None and volume.get("type") == "network" and "://" not in path
    return f"rbd:{path}" if is_named and "/" in path else path


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


def allocates(volume: Have, preallocation: str | None) -> bool:
    """Whether libvirt has to be asked to allocate a new volume: all of a thick qcow2, or what
    describes it. Others it allocates by their allocation alone."""
    size, allocation = (xmltree.get(volume.definition, at) for at in ("capacity", "allocation"))
    is_qcow2 = xmltree.get(volume.definition, "target/format/@type") == "qcow2"
    return is_qcow2 and (size == allocation or preallocation == "metadata")


def is_encrypted(volume: Have) -> bool:
    """Whether a guest reads it through a passphrase, and not as it is."""
    return volume.stored is not None and volume.stored.find("target/encryption") is not None


def capacity_of(volume: Have) -> int:
    """Bytes that a guest sees."""
    tree = volume.stored
    return int((tree is not None and xmltree.get(tree, "capacity")) or 0)


def backing_of(volume: Have) -> str:
    """The path of the image that a linked clone stands on; `""` of any other volume.

    A name with a password in it, as of a web server, has it hidden.
    """
    tree = volume.stored
    name = (tree is not None and xmltree.get(tree, "backingStore/path")) or ""
    if not name:
        return ""
    from ...engine.secret_words import shown_name

    return shown_name(name)


def described(volume: Have) -> str:
    """A volume as one recognises it: format, size, and when it was last written to."""
    size = f"{format_of(volume)}, {format_size(capacity_of(volume))}"
    tree = volume.stored
    written = tree is not None and xmltree.get(tree, "target/timestamps/mtime")
    return f"{size}, last written {day_of(float(written))}" if written else size


def day_of(seconds: float) -> str:
    """A time as one reads it, in UTC."""
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M UTC")


def resizes(plan: Plan) -> bool:
    """Whether a plan of a volume that is there makes it larger or smaller."""
    return any(change.field == ("capacity",) for change in plan.changes)


def fits(before: int, wanted: int, pool_type: str) -> bool:
    """Whether a capacity is the one that is wanted, as its pool rounds it up."""
    return wanted <= before <= wanted + max(ROUNDING.get(pool_type, 0) - 1, 0)
