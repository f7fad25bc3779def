# SPDX-License-Identifier: GPL-3.0-or-later
"""Volumes of ZFS as they are, where libvirt takes one for another."""

from __future__ import annotations

import subprocess

from ...engine import xmltree
from .zfs import DEVICES, same_key

TIMEOUT_S = 10.0


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
    own = _sizes(same_key(path))
    if own is not None:
        for at, value in zip(("capacity", "allocation"), own):
            xmltree.put(volume, at, value)
        return ""
    return (
        f"it is {there}, in a data set below that of the pool, and libvirt shows it under this "
        "name; take another name, or declare it in a pool of that data set (source.name: "
        f"{there.rpartition('/')[0]})"
    )


def _sizes(volume: str) -> list[str] | None:
    """The size of a volume and what is kept for it, in bytes; None of one that is not there."""
    command = ["zfs", "get", "-Hpo", "value", "volsize,refreservation", volume]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    told = ["0" if said == "none" else said for said in done.stdout.split()]
    return told if done.returncode == 0 and all(map(str.isdigit, told)) else None
