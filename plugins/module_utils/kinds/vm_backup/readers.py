# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read for plans about backups; imported where it is asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...engine.facts import Reads
from ...host.connection import Host
from ..storage_pool.readers import STORAGE
from ..vm.readers_alone import RECORDS, VMS


def _of_backups(name: str) -> Callable[..., Any]:
    def answer(host: Host, *of: str) -> Any:
        from . import reader

        return getattr(reader, name)(host, *of)

    return answer


def _disk_size(host: Host, vm: str, target: str) -> Any:
    from ...host.moves import read_disk_size

    return read_disk_size(host, vm, target)


BACKUPS = Reads(
    answers={
        "backups": _of_backups("read_backups"),
        "bitmaps": _of_backups("read_bitmaps"),
        "room": _of_backups("read_room"),
        "read_only": _of_backups("read_read_only"),
        "now": _of_backups("read_now"),
        "disk_size": _disk_size,
    }
)
FOR_PLANS = (STORAGE, VMS, RECORDS, BACKUPS)
