# SPDX-License-Identifier: GPL-3.0-or-later
"""Raw images that QEMU does not open past the host's cache, for their size.

It writes to them in whole blocks, and would have to make one larger that does not end with a block
(bdrv_node_refresh_perm in QEMU). `host/direct_blocks.py` finds how large those are.
"""

from __future__ import annotations

from typing import NamedTuple

from ...engine import xmltree
from ...engine.units import format_size
from ...engine.xmltree import Element

PAST_THE_CACHE = ("none", "directsync")
SECTOR, LARGEST = 512, 4096  # to which QEMU rounds a size up, and the largest block (bytes)


class Odd(NamedTuple):
    """What is wrong with the size of an image."""

    message: str
    is_sure: bool  # whether QEMU refuses it


def file_past_cache(disk: Element) -> str:
    """The file of a raw disk that QEMU writes to past the host's cache; `""` of any other."""
    source = disk.find("source")
    if disk.get("type") != "file" or disk.get("device", "disk") != "disk" or source is None:
        return ""
    # A layer is written to in the place of a transient one, and an encrypted one has a header.
    others = ("readonly", "transient", "encryption", "source/encryption")
    form, cache = (xmltree.get(disk, f"driver/@{name}") for name in ("type", "cache"))
    if (
        any(disk.find(tag) is not None for tag in others)
        or form not in (None, "raw")
        or cache not in PAST_THE_CACHE
    ):
        return ""
    return source.get("file", "")


def odd(path: str, size: int, block: int | None, of_volume: bool) -> Odd | None:
    """What is wrong with an image of this size; None where nothing is.

    In which blocks it is written to is None where nobody can tell.
    """
    size_as_seen = -(-size // SECTOR) * SECTOR
    whole = -(-size // LARGEST) * LARGEST
    if size_as_seen % (block or LARGEST) == 0:
        return None
    way = (
        f"give the volume a capacity of {format_size(whole)}"
        if of_volume
        else f"make it larger (qemu-img resize -f raw {path} {whole})"
    )
    ways = f"{way}, or give the disk another cache (writeback)"
    if block:
        return Odd(
            f"{path} has {size} bytes, no multiple of {block}, in which its storage is written to "
            f"past the host's cache; {ways}",
            True,
        )
    return Odd(
        f"{path} has {size} bytes, no multiple of {LARGEST}; QEMU does not open it where its "
        f"storage is written to in pieces of that size past the host's cache; {ways}",
        False,
    )
