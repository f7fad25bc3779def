# SPDX-License-Identifier: GPL-3.0-or-later
"""Removes checkpoints: the record of libvirt, and the bitmaps of QEMU."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from typing import Any

from ...engine import xmltree
from ...host.connection import found, libvirt, patiently
from .checks import QEMU_IMG
from .disks import Disk


def remove_checkpoint(dom: Any, name: str, disks: Iterable[Disk]) -> bool:
    """Remove a checkpoint; of one whose bitmap is gone only libvirt's record. Whether it has one:
    a bitmap of that name alone may be of another program."""
    one = found(
        lambda of: dom.checkpointLookupByName(of, 0), name, libvirt.VIR_ERR_NO_DOMAIN_CHECKPOINT
    )
    if one is None:
        return False
    try:
        patiently(lambda: one.delete(0))
    except libvirt.libvirtError:
        if not dom.isActive():  # as where it was stopped while it was backed up
            _remove_from_images(disks, name)
        patiently(lambda: one.delete(libvirt.VIR_DOMAIN_CHECKPOINT_DELETE_METADATA_ONLY))
    return True


def remove_unique(dom: Any, name: str, disks: Iterable[Disk]) -> None:
    """Remove a checkpoint whose name nobody else can have given, also where libvirt ended in the
    moment in which QEMU made the bitmaps, and has no record of it."""
    if remove_checkpoint(dom, name, disks):
        return
    if not dom.isActive():
        _remove_from_images(disks, name)
        return
    for disk in disks:
        if disk.format == "qcow2":
            remove_bitmap(dom, name, disk.target, name)


def remove_bitmap(dom: Any, checkpoint: str, target: str, bitmap: str) -> bool:
    """Remove a bitmap of a disk from a QEMU that runs, of which libvirt has no record. Whether it
    was there. libvirt removes those of checkpoints, so it is told that there is such a one."""
    tree = xmltree.Element("domaincheckpoint")
    xmltree.put(tree, "name", checkpoint)
    xmltree.put(tree, "creationTime", "0")
    kept = {"name": target, "checkpoint": "bitmap", "bitmap": bitmap}
    xmltree.ensure(tree, "disks").append(xmltree.Element("disk", kept))
    flags = libvirt.VIR_DOMAIN_CHECKPOINT_CREATE_REDEFINE
    one = patiently(lambda: dom.checkpointCreateXML(xmltree.serialise(tree), flags))
    try:
        patiently(lambda: one.delete(0))
    except libvirt.libvirtError:
        patiently(lambda: one.delete(libvirt.VIR_DOMAIN_CHECKPOINT_DELETE_METADATA_ONLY))
        return False
    return True


def _remove_from_images(disks: Iterable[Disk], name: str) -> None:
    """Remove a bitmap from the images of a VM that is off, as far as they have it."""
    for disk in disks:
        if disk.format == "qcow2" and disk.path.startswith("/"):
            command = [QEMU_IMG, "bitmap", "--remove", "-f", "qcow2", disk.path, name]
            subprocess.run(command, check=False, capture_output=True, timeout=60)
