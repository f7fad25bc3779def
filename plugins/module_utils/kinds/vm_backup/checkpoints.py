# SPDX-License-Identifier: GPL-3.0-or-later
"""Removes checkpoints: the record of libvirt, and the bitmaps of QEMU."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from typing import Any

from ...host.connection import found, libvirt, patiently
from .checks import QEMU_IMG
from .disks import Disk


def remove_checkpoint(dom: Any, name: str, disks: Iterable[Disk]) -> None:
    """Remove a checkpoint; of one whose bitmap is gone only libvirt's record."""
    one = found(
        lambda of: dom.checkpointLookupByName(of, 0), name, libvirt.VIR_ERR_NO_DOMAIN_CHECKPOINT
    )
    if one is None:
        return
    try:
        patiently(lambda: one.delete(0))
    except libvirt.libvirtError:
        if not dom.isActive():  # as where it was stopped while it was backed up
            _remove_bitmaps(disks, name)
        patiently(lambda: one.delete(libvirt.VIR_DOMAIN_CHECKPOINT_DELETE_METADATA_ONLY))


def _remove_bitmaps(disks: Iterable[Disk], name: str) -> None:
    """Remove a bitmap from the images of a VM that is off, as far as they have it."""
    for disk in disks:
        if disk.format == "qcow2" and disk.path.startswith("/"):
            command = [QEMU_IMG, "bitmap", "--remove", "-f", "qcow2", disk.path, name]
            subprocess.run(command, check=False, capture_output=True, timeout=60)
