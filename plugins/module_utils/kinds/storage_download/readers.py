# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read for plans about files that volumes are to be; imported where it is asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...engine.facts import Reads
from ...host.connection import Host
from ..storage_pool.readers import STORAGE
from ..vm.readers_alone import VMS


def _of_dest(name: str) -> Callable[..., Any]:
    def answer(host: Host, *of: str) -> Any:
        from . import reader

        return getattr(reader, name)(host, *of)

    return answer


DESTS = Reads(
    answers={
        "dest": _of_dest("read_dest"),
        "dest_checksum": _of_dest("read_checksum"),
        "dest_room": _of_dest("read_room"),
    }
)
FOR_PLANS = (STORAGE, VMS, DESTS)
