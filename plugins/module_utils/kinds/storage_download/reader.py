# SPDX-License-Identifier: GPL-3.0-or-later
"""What is at the place to which a volume is brought, on the machine where the module runs."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any

from ...engine.errors import FleetError
from ...host.connection import Host
from ...host.images import digest
from .places import partial_of

TYPES = {stat.S_IFREG: "file", stat.S_IFDIR: "folder"}


def read_dest(_host: Host, path: str) -> tuple[Any, ...]:
    """The fields of `facts.Dest`."""
    real = os.path.realpath(path)
    found = _looked_at(Path(real))
    is_file = found is not None and stat.S_ISREG(found.st_mode)
    return (
        real,
        _type(_looked_at(Path(real).parent)),
        _type(found),
        found.st_size if found is not None and is_file else 0,
        found.st_mtime_ns if found is not None and is_file else 0,
        _type(_looked_at(Path(partial_of(real)), follow=False)),
    )


def read_checksum(_host: Host, path: str, algorithm: str) -> str:
    """The digits of a file; empty where it cannot be read."""
    try:
        return digest(path, algorithm)
    except OSError:
        return ""


def read_room(_host: Host, path: str) -> int | None:
    """Bytes that are free beside a file, and those of what an interrupted run left."""
    try:
        free = os.statvfs(Path(path).parent)
    except OSError:
        return None
    left = 0
    with suppress(OSError):
        left = Path(partial_of(path)).lstat().st_blocks * 512
    return free.f_bavail * free.f_frsize + left


def _looked_at(path: Path, follow: bool = True) -> os.stat_result | None:
    try:
        return path.stat() if follow else path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise FleetError(f"{path} cannot be looked at: {error.strerror}", field="dest") from error


def _type(found: os.stat_result | None) -> str:
    return "" if found is None else TYPES.get(stat.S_IFMT(found.st_mode), "other")
