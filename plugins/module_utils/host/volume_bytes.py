# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in a volume, read through libvirt, and so from afar too."""

from __future__ import annotations

from typing import Any

from .connection import Host


def part_of(host: Host, volume: Any, at: int, size: int) -> bytes:
    """Bytes of a volume from some byte on; fewer where it ends before."""
    stream = host.conn.newStream(0)
    volume.download(stream, at, size, 0)
    read = b""
    while len(read) < size:
        data = stream.recv(size - len(read))
        if not data:
            break
        read += data
    stream.finish()
    return read
