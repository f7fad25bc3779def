# SPDX-License-Identifier: GPL-3.0-or-later
"""Volumes of ZFS as they are, where libvirt takes one for another."""

from __future__ import annotations

from ...engine import xmltree
from ...host.zfs import properties
from .zfs import DEVICES, same_key


def set_right(volume: xmltree.Element) -> str:
    """Have the definition of a volume say what it is itself. Why it is none of the pool; empty
    where it is one.

    libvirt lists all that are anywhere below the data set of a pool by the last part of their
    names, looks for each right in it, and takes those of one name for one.
    """
    path = xmltree.get(volume, "target/path") or ""
    there = same_key(xmltree.get(volume, "key") or "")
    if not path.startswith(DEVICES) or there in ("", same_key(path)):
        return ""
    own = properties(same_key(path), "volsize", "refreservation")
    if own and own[0].isdigit():  # a file system has no size
        for at, value in zip(("capacity", "allocation"), own):
            xmltree.put(volume, at, value if value.isdigit() else "0")
        return ""
    return (
        f"it is {there}, in a data set below that of the pool, and libvirt shows it under this "
        "name; take another name, or declare it in a pool of that data set (source.name: "
        f"{there.rpartition('/')[0]})"
    )
