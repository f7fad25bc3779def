# SPDX-License-Identifier: GPL-3.0-or-later
"""The snapshots that a qcow2 image lists, after docs/interop/qcow2.txt of QEMU."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from ..engine import xmltree
from .connection import Host, found, libvirt
from .images import format_in
from .volume_bytes import part_of

START_BYTES = 80
TABLE_BYTES = 1 << 18  # of hundreds of snapshots with names as long as they can be
ENTRY = struct.Struct(">QIHHIIQII")
EXTRA, ID, NAME = 8, 2, 3  # of its fields the sizes of what follows it


def table_at(start: bytes) -> tuple[int, int]:
    """How many snapshots an image has, and where it lists them. ValueError if it is no qcow2."""
    if len(start) < START_BYTES or format_in(start) != "qcow2":
        raise ValueError("it is no qcow2 image")
    return struct.unpack_from(">IQ", start, 60)


def listed(table: bytes, count: int) -> list[tuple[str, str]]:
    """QEMU's number and the name of each, the oldest first. ValueError if the table is broken."""
    found, at = [], 0
    for _each in range(count):
        if at + ENTRY.size > len(table):
            raise ValueError("its table of snapshots goes on beyond what was read")
        entry = ENTRY.unpack_from(table, at)
        number = at + ENTRY.size + entry[EXTRA]
        name, end = number + entry[ID], number + entry[ID] + entry[NAME]
        found.append(
            (table[number:name].decode(errors="replace"), table[name:end].decode(errors="replace"))
        )
        at = (end + 7) // 8 * 8
    return found


# ---- the bytes


def inner_snapshots(host: Host, dom: Any, target: str) -> list[tuple[str, str]] | None:
    """What the image of a disk lists; None of one that is no image here. ValueError where it is
    broken, OSError or libvirt's error where it cannot be read."""
    disks = xmltree.parse(dom.XMLDesc(0)).findall("devices/disk")
    disk = next((one for one in disks if xmltree.get(one, "target/@dev") == target), None)
    source = None if disk is None else disk.find("source")
    read = None if source is None else _reading(host, source)
    if read is None:
        return None
    count, at = table_at(read(0, START_BYTES))
    return listed(read(at, TABLE_BYTES), count) if count else []


def _reading(host: Host, source: xmltree.Element) -> Callable[[int, int], bytes] | None:
    """Reads a source from some byte on: through libvirt where that has it as a volume, and so from
    afar too; as a file where the host is this machine."""
    path = source.get("file") or source.get("dev") or ""
    if source.get("pool"):
        pool = host.conn.storagePoolLookupByName(source.get("pool"))
        volume = pool.storageVolLookupByName(source.get("volume"))
    else:
        volume = found(host.conn.storageVolLookupByPath, path, libvirt.VIR_ERR_NO_STORAGE_VOL)
    if volume is not None:
        return lambda at, size: part_of(host, volume, at, size)
    is_here = path and not urlsplit(host.conn.getURI()).netloc
    return (lambda at, size: _of_file(path, at, size)) if is_here else None


def _of_file(path: str, at: int, size: int) -> bytes:
    file = os.open(path, os.O_RDONLY)
    try:
        return os.pread(file, size, at)
    finally:
        os.close(file)
