# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures as QEMU gives them, and as PNG. Pure: bytes in, bytes out."""

from __future__ import annotations

import re
import struct
import zlib

from ..engine.errors import FleetError

PNG_BEGINS = b"\x89PNG\r\n\x1a\n"
# P6, width, height and the highest value, with comments between them, and one white space.
PPM_BEGINS = re.compile(rb"P6" + rb"(?:\s|#[^\n]*\n)+(\d+)" * 3 + rb"\s")
RGB, BITS = 2, 8


def png_of(picture: bytes) -> bytes:
    """The picture as PNG. FleetError where it is neither that nor a PPM of three bytes a pixel."""
    if picture.startswith(PNG_BEGINS):
        return picture
    header = PPM_BEGINS.match(picture)
    if header is None:
        raise FleetError(f"gave a picture that is neither PNG nor PPM, but begins {picture[:8]!r}")
    width, height, highest = (int(number) for number in header.groups())
    pixels = picture[header.end() :]
    if highest != 255 or len(pixels) < width * height * 3:
        raise FleetError(
            f"gave a picture of {width}x{height} with values up to {highest} in {len(pixels)} bytes"
        )
    return _png(width, height, pixels)


def size_of(png: bytes) -> tuple[int, int]:
    """The width and height of a PNG, in pixels."""
    width, height = struct.unpack(">II", png[16:24])
    return width, height


def _png(width: int, height: int, pixels: bytes) -> bytes:
    row = width * 3
    # Each row begins with its filter, of which 0 is none.
    rows = b"".join(b"\0" + pixels[at * row : (at + 1) * row] for at in range(height))
    header = struct.pack(">IIBBBBB", width, height, BITS, RGB, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return PNG_BEGINS + b"".join(_chunk(name, data) for name, data in chunks)


def _chunk(name: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(name + data)
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", checksum)
