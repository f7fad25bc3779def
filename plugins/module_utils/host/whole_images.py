# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether what was fetched, or is a file, is an image at all, and whether it is there to its end.

A raw image has no mark of its own, so that what no disk begins with is told by the marks of others.
Where a qcow2 has all of its data say its tables, after docs/interop/qcow2.txt of QEMU.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import IO

# Archives, packages and images that nothing here reads, none of which is the beginning of a disk.
NO_DISKS = (
    (0, b"PK\x03\x04", "a zip archive"),
    (0, b"PK\x05\x06", "an empty zip archive"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (0, b"Rar!\x1a\x07", "a rar archive"),
    (0, b"!<arch>\n", "an ar archive, as a package of Debian"),
    (0, b"\xed\xab\xee\xdb", "an rpm package"),
    (0, b"070701", "a cpio archive"),
    (0, b"070702", "a cpio archive"),
    (0, b"070707", "a cpio archive"),
    (0, b"xar!", "a xar archive"),
    (0, b"MSWIM\0\0\0", "a Windows image (WIM)"),
    (0, b"\x04\x22\x4d\x18", "packed by lz4"),
    (0, b"LZIP", "packed by lzip"),
    (0, b"\x1f\x9d", "packed by compress"),
    (0, b"WithoutFreeSpace", "an image of Parallels"),
    (0, b"WithouFreSpacExt", "an image of Parallels"),
    (257, b"ustar", "a tar archive"),
)
TAR_SUM = slice(148, 156)

OFFSET = 0x00FFFFFFFFFFFE00  # the bits of an entry of a table that are a place in the file
COMPRESSED, ALL_ZEROS = 1 << 62, 1
EXTENDED = 1 << 4  # a bit of qcow2's incompatible features: entries are of two words
MOST_CLUSTER_BITS, FEWEST_CLUSTER_BITS = 21, 9
MOST_TABLES = 2**22  # as many as QEMU takes


def no_disk_in(begin: bytes) -> str:
    """What a file is that begins so, where it is no disk; empty where it may be one."""
    for at, mark, name in NO_DISKS:
        if begin[at : at + len(mark)] == mark:
            return name
    return "a tar archive" if _is_old_tar(begin[:512]) else ""


def _is_old_tar(header: bytes) -> bool:
    """Whether it is the header of a tar from before POSIX, which has a sum and no mark."""
    said = header[TAR_SUM].strip(b" \0")
    if len(header) < 512 or not header[0] or not said or said.strip(b"01234567"):
        return False
    return int(said, 8) == sum(header) - sum(header[TAR_SUM]) + 8 * ord(" ")


def missing_in_qcow2(file: Path) -> int:
    """How many bytes of a qcow2 image are not there, to its last cluster that has data.

    That one may be short in an image that is whole: QEMU leaves out zeros at the end of a file.
    ValueError for what is no such image.
    """
    size = file.stat().st_size
    with file.open("rb") as opened:
        header = opened.read(104).ljust(104, b"\0")
        (version,), (cluster_bits,) = (struct.unpack_from(">I", header, at) for at in (4, 20))
        if version not in (2, 3):
            raise ValueError(f"it is of version {version} of qcow2, and 2 and 3 are known")
        if not FEWEST_CLUSTER_BITS <= cluster_bits <= MOST_CLUSTER_BITS:
            raise ValueError(f"its clusters have 2^{cluster_bits} bytes")
        whole = max(_ends(opened, header, size), default=0)
    return max(whole - size, 0)


def read_cut_off(path: str) -> str:
    """What is wrong with the end of a qcow2 image that is a file; empty for nothing. Its tables are
    read, and none of its data."""
    try:
        file = Path(path)
        missing = missing_in_qcow2(file) if file.is_file() else 0
        size = file.stat().st_size
    except OSError:
        return ""
    except ValueError as error:
        return f"cannot be an image: {error}"
    return cut_off(size, missing) if missing else ""


def cut_off(size: int, missing: int) -> str:
    """How it is said that a file ends too early."""
    return f"is cut off: it has {size} bytes, and by its tables at least {missing} more"


def _ends(file: IO[bytes], header: bytes, size: int) -> Iterator[int]:
    """The sizes that the file has to have at least, by each of its tables."""
    (cluster_bits,), (entries,) = (struct.unpack_from(">I", header, at) for at in (20, 36))
    (first,), (counts,) = (struct.unpack_from(">Q", header, at) for at in (40, 48))
    (count_clusters,) = struct.unpack_from(">I", header, 56)
    version, features = struct.unpack_from(">I", header, 4)[0], struct.unpack_from(">Q", header, 72)
    cluster = 1 << cluster_bits
    if entries > MOST_TABLES:
        raise ValueError(f"it has {entries} tables, more than QEMU takes")
    yield counts + count_clusters * cluster
    yield first + entries * 8
    if first + entries * 8 > size:
        return
    extended = version > 2 and bool(features[0] & EXTENDED)
    for table in {entry & OFFSET for entry in _words(file, first, entries * 8)} - {0}:
        if table % cluster:  # so no more is read than there is
            raise ValueError("a table of it does not begin with a cluster")
        yield table + cluster
        if table + cluster <= size:
            words = _words(file, table, cluster)
            yield _last(words[:: 2 if extended else 1], cluster_bits, extended)


def _last(words: array[int], cluster_bits: int, extended: bool) -> int:
    """How far a file goes at least by a table of clusters; of the last cluster the first byte."""
    plain = [word for word in words if word and not word & COMPRESSED]
    kept = plain if extended else [word for word in plain if not word & ALL_ZEROS]
    last = max((word & OFFSET for word in kept), default=0)
    packed = max((_packed(word, cluster_bits) for word in words if word & COMPRESSED), default=0)
    return max(last + 1 if last else 0, packed)


def _packed(word: int, cluster_bits: int) -> int:
    """The end of a cluster that is compressed: a place, and in how many more sectors it ends. How
    much of the last it takes is not told."""
    shift = 62 - (cluster_bits - 8)
    place, more = word & ((1 << shift) - 1), (word & (COMPRESSED - 1)) >> shift
    return (place // 512 + more) * 512 + 1 if more else place + 1


def _words(file: IO[bytes], at: int, size: int) -> array[int]:
    """A part of the file, as numbers of 64 bits."""
    file.seek(at)
    words = array("Q", file.read(size))
    if sys.byteorder == "little":
        words.byteswap()
    return words


# ---- formats of others, of which QEMU reads zeros where the file has ended


def missing_in_foreign(file: Path, form: str) -> int:
    """As of a qcow2, of a vdi or a vmdk; of the others QEMU itself sees it.

    ValueError for tables that are none.
    """
    size = file.stat().st_size
    with file.open("rb") as opened:
        header = opened.read(512).ljust(512, b"\0")
        whole = {"vdi": _end_of_vdi, "vmdk": _end_of_vmdk}.get(form, _end_of_none)(opened, header)
    return max(whole - size, 0)


def _end_of_none(_file: IO[bytes], _header: bytes) -> int:
    return 0


def _end_of_vdi(_file: IO[bytes], header: bytes) -> int:
    """Its blocks stand one after another; the last may be short."""
    (data_at,), (block,), (blocks,) = (
        struct.unpack_from("<I", header, at) for at in (0x158, 0x178, 0x184)
    )
    return int(data_at + (blocks - 1) * block + 1) if blocks else int(data_at)


def _end_of_vmdk(file: IO[bytes], header: bytes) -> int:
    """The last grain that a sparse vmdk names. One for streams has a mark at its end for QEMU."""
    capacity, grain = struct.unpack_from("<QQ", header, 12)
    (in_table,), (first,) = (
        struct.unpack_from(f"<{f}", header, at) for f, at in (("I", 44), ("Q", 56))
    )
    if first >= 2**55 or not grain or not in_table:
        return 0
    tables = -(-capacity // (grain * in_table))
    if tables > MOST_TABLES or in_table > 512:
        raise ValueError("it has more tables than QEMU takes")
    last = first * 512 + tables * 4
    for table in set(_sectors(file, first, tables)):
        last = max(last, table * 512 + 1, *(at * 512 + 1 for at in _sectors(file, table, in_table)))
    return int(last)


def _sectors(file: IO[bytes], at: int, entries: int) -> array[int]:
    """A table of sectors, as far as it is there."""
    file.seek(at * 512)
    told = file.read(entries * 4) if at else b""
    words = array("I", told[: len(told) // 4 * 4])
    if sys.byteorder == "big":
        words.byteswap()
    return words
