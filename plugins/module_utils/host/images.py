# SPDX-License-Identifier: GPL-3.0-or-later
"""Disk images as files of this machine: what their headers say, and their checksums."""

from __future__ import annotations

import hashlib
import os
import struct
from pathlib import Path

from ..engine.looked_at import Image, Layout
from ..engine.move_facts import Inside
from ..engine.secret_words import shown_name

# Where a format's mark stands in a file. What has none of them is a raw image.
MARKS = (
    (0, b"QFI\xfb", "qcow2"),
    (0, b"KDMV", "vmdk"),
    (0, b"# Disk DescriptorFile", "vmdk"),
    (0, b"QED\0", "qed"),
    (0, b"vhdxfile", "vhdx"),
    (0, b"conectix", "vpc"),
    (0x40, b"\x7f\x10\xda\xbe", "vdi"),
    (0, b"\x1f\x8b", "gzip"),
    (0, b"\xfd7zXZ\0", "xz"),
    (0, b"\x28\xb5\x2f\xfd", "zstd"),
    (0, b"BZh", "bzip2"),
)
HEADER_SIZE = 4096
INSIDE_SIZE = 80  # up to its incompatible features
# Bits of qcow2's incompatible features, and one of its compatible ones.
EXTERNAL_DATA_FILE, EXTENDED_L2 = 1 << 2, 1 << 4
LAZY_REFCOUNTS = 1 << 0
SMALLEST_BITS, LARGEST_BITS = 9, 21  # of the size of its clusters
# What qcow2's header may be followed by.
BACKING_FORMAT, DATA_FILE = 0xE2792ACA, 0x44415441


def inspect(path: str) -> Image:
    """What a file holds. OSError if it cannot be read, ValueError if its header is broken."""
    with Path(path).open("rb") as file:
        header = file.read(HEADER_SIZE)
        found = format_in(header)
        if found == "qcow2":
            return _qcow2(header)
        return Image(found, file.seek(0, os.SEEK_END))


def format_in(header: bytes) -> str:
    """The format that the first bytes of a file show."""
    return next((name for at, mark, name in MARKS if header[at : at + len(mark)] == mark), "raw")


def ends_as_vhd(file: Path) -> bool:
    """Whether an image is one of Hyper-V of a fixed size, which has its mark at its end."""
    size = file.stat().st_size
    with file.open("rb") as opened:
        opened.seek(max(size - 512, 0))
        return opened.read(8) == b"conectix"


def _qcow2(header: bytes) -> Image:
    """The fields of qcow2's header, after docs/interop/qcow2.txt of QEMU."""
    try:
        version, backing_at, backing_size = struct.unpack_from(">IQI", header, 4)
        (capacity,) = struct.unpack_from(">Q", header, 24)
        (bits,), (snapshots,) = (struct.unpack_from(">I", header, at) for at in (20, 60))
        features, within = struct.unpack_from(">QQ", header, 72) if version >= 3 else (0, 0)
        (length,) = struct.unpack_from(">I", header, 100) if version >= 3 else (72,)
        if not SMALLEST_BITS <= bits <= LARGEST_BITS:
            raise ValueError(f"clusters of 2^{bits} bytes")
        if backing_at + backing_size > len(header):
            raise ValueError("the name of its backing file is not in its header")
        more = _extensions(header, max(length, 72))
    except (struct.error, ValueError) as error:
        raise ValueError(f"its qcow2 header is broken: {error}") from error
    backing = header[backing_at : backing_at + backing_size].decode(errors="replace")
    unnamed = "an external data file" if features & EXTERNAL_DATA_FILE else ""
    data_file = more.get(DATA_FILE, unnamed)
    backing, data_file = map(shown_name, (backing, data_file))
    layout = Layout(version, 1 << bits, bool(within & LAZY_REFCOUNTS), bool(features & EXTENDED_L2))
    form = more.get(BACKING_FORMAT, "")
    return Image("qcow2", capacity, backing, form, data_file, layout, snapshots)


def inside_of(header: bytes) -> Inside | None:
    """What the beginning of a qcow2 image says of what is in it; None of any other."""
    if len(header) < INSIDE_SIZE or format_in(header) != "qcow2":
        return None
    (version,), (snapshots,) = (struct.unpack_from(">I", header, at) for at in (4, 60))
    (features,) = struct.unpack_from(">Q", header, 72) if version >= 3 else (0,)
    return Inside(snapshots, bool(features & EXTERNAL_DATA_FILE))


def _extensions(header: bytes, at: int) -> dict[int, str]:
    """What follows qcow2's header, by kind, as far as it was read."""
    found: dict[int, str] = {}
    while at + 8 <= len(header):
        kind, size = struct.unpack_from(">II", header, at)
        if kind == 0:
            break
        found[kind] = header[at + 8 : at + 8 + size].decode(errors="replace").rstrip("\0")
        at += 8 + (size + 7) // 8 * 8
    return found


def digest(path: str, algorithm: str) -> str:
    """The checksum of a file, in lower case."""
    hashed = hashlib.new(algorithm)
    with Path(path).open("rb") as file:
        while True:
            block = file.read(1 << 20)
            if not block:
                return hashed.hexdigest()
            hashed.update(block)
