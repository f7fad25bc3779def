# SPDX-License-Identifier: GPL-3.0-or-later
"""In what blocks a file is written to past the host's cache, as QEMU finds it.

It tries to read the file in pieces (raw_probe_alignment in its file-posix.c, 7.2 to 10.0), and
takes the smallest that goes. Where any would do, as in a hole or on tmpfs, it takes the largest.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import struct

from .connection import Host

PIECES = (1, 512, 1024, 2048, 4096)
DIRECT_IO_OF_XFS = 0x800C581E  # XFS_IOC_DIOINFO: three numbers, of which the second is the smallest
OF_XFS = struct.Struct("=3I")


def read_direct_block(host: Host, path: str) -> int | None:
    """The size of a block in bytes; None where nobody can tell."""
    if not host.is_local:
        return None
    try:
        file = os.open(path, os.O_RDONLY | os.O_DIRECT | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        return _of_xfs(file) or _tried(file)
    except OSError:
        return None
    finally:
        os.close(file)


def _of_xfs(file: int) -> int:
    """What XFS itself says; 0 of a file on another file system."""
    answer = bytearray(OF_XFS.size)
    try:
        fcntl.ioctl(file, DIRECT_IO_OF_XFS, answer)
    except OSError:
        return 0
    _memory, smallest, _largest = OF_XFS.unpack(answer)
    return int(smallest)


def _tried(file: int) -> int | None:
    with mmap.mmap(-1, PIECES[-1]) as buffer, memoryview(buffer) as view:
        for piece in PIECES:
            with view[:piece] as part:
                if _can_read(file, part):
                    return piece if piece > 1 else PIECES[-1]
    return None


def _can_read(file: int, part: memoryview) -> bool:
    try:
        os.preadv(file, [part], 0)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return False
    return True
