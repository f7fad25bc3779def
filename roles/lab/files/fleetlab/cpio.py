# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes cpio archives in the "newc" format, the one the kernel unpacks as an initramfs."""

from __future__ import annotations

import stat
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import NamedTuple


class Entry(NamedTuple):
    mode: int
    data: bytes


def regular(data: bytes, permissions: int = 0o644) -> Entry:
    return Entry(stat.S_IFREG | permissions, data)


def directory(permissions: int = 0o755) -> Entry:
    return Entry(stat.S_IFDIR | permissions, b"")


def archive(entries: Mapping[str, Entry]) -> bytes:
    """The archive of ``entries`` (paths without a leading slash); missing parents are added."""
    complete = {**{parent: directory() for parent in _parents(entries)}, **entries}
    members = [_member(inode, path, complete[path]) for inode, path in enumerate(sorted(complete))]
    return b"".join([*members, _member(0, "TRAILER!!!", Entry(0, b""))])


def _parents(paths: Iterable[str]) -> set[str]:
    return {
        str(parent)
        for path in paths
        for parent in PurePosixPath(path).parents
        if str(parent) != "."
    }


def _member(inode: int, path: str, entry: Entry) -> bytes:
    name = path.encode() + b"\0"
    links = 2 if stat.S_ISDIR(entry.mode) else 1
    # inode, mode, uid, gid, links, mtime, size, device numbers (4), length of the name, checksum
    fields = (inode, entry.mode, 0, 0, links, 0, len(entry.data), 0, 0, 0, 0, len(name), 0)
    header = b"070701" + b"".join(f"{field:08x}".encode() for field in fields)
    return _padded(header + name) + _padded(entry.data)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)
