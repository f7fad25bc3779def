# SPDX-License-Identifier: GPL-3.0-or-later
"""What libvirt's driver for ZFS does otherwise than others (storage_backend_zfs.c, 9.0 to 11.3)."""

from __future__ import annotations

from ...engine.errors import Mistakes
from ...engine.plan import Wanted
from .volumes import ZFS

DEVICES = "/dev/zvol/"  # the folder of the data sets that are volumes


def same_key(key: str) -> str:
    """The key of a volume, which is its path until libvirt looks at the pool anew, and then the
    name of its data set."""
    return key[len(DEVICES) :] if key.startswith(DEVICES) else key


def check_zfs_pool(wanted: Wanted, pool_type: str, mistakes: Mistakes) -> None:
    """What libvirt does not do in a pool of ZFS."""
    if pool_type == ZFS and wanted.options.get("copy_of"):
        source = wanted.options["copy_of"]
        mistakes.add(
            f"libvirt copies nothing into a pool of type zfs; copy {source} yourself (zfs clone, "
            "or qemu-img convert), and declare the volume without copy_of",
            "copy_of",
        )
