# SPDX-License-Identifier: GPL-3.0-or-later
"""Sends the content of an image into a new volume, and none of its holes."""

from __future__ import annotations

import os
from typing import Any

from ...engine import xmltree
from ...host.connection import Host, libvirt, patiently
from .reader import refresh_pool


def upload(host: Host, resource: str, pool: Any, tree: xmltree.Element, image: str) -> None:
    """In a file pool the image goes into an empty file, in which libvirt then finds its format."""
    empty = xmltree.clone(tree)
    if tree.find("target/format") is not None:
        for path, value in (
            ("capacity", "0"),
            ("target/format/@type", "raw"),
            ("target/compat", None),
            *((f"target/{name}", None) for name in ("clusterSize", "features")),
        ):
            xmltree.put(empty, path, value)
    with host.errors(resource, f"upload {image}"):
        volume = patiently(lambda: pool.createXML(xmltree.serialise(empty), 0))
        _send(host, volume, image)
        refresh_pool(pool)


def _send(host: Host, volume: Any, image: str) -> None:
    stream = host.conn.newStream(0)
    file = os.open(image, os.O_RDONLY)
    try:
        volume.upload(stream, 0, 0, libvirt.VIR_STORAGE_VOL_UPLOAD_SPARSE_STREAM)
        stream.sparseSendAll(_read, _measure, _skip, file)
        stream.finish()
    finally:
        os.close(file)


def _read(_stream: Any, size: int, file: int) -> bytes:
    return os.read(file, size)


def _skip(_stream: Any, size: int, file: int) -> int:
    return os.lseek(file, size, os.SEEK_CUR)


def _measure(_stream: Any, file: int) -> list[Any]:
    """Whether data comes next in the file, or else a hole, and how long it is."""
    here = os.lseek(file, 0, os.SEEK_CUR)
    try:
        data = os.lseek(file, here, os.SEEK_DATA)
        until = data if data > here else os.lseek(file, here, os.SEEK_HOLE)
    except OSError:  # ENXIO: no data up to the end
        data = until = os.lseek(file, 0, os.SEEK_END)
    os.lseek(file, here, os.SEEK_SET)
    return [data == here and until > here, until - here]
