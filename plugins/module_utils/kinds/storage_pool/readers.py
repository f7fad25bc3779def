# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read of pools and volumes, and for plans about them; imported where it is asked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...engine.facts import Reads
from ...engine.plan import Have
from ...host.connection import Host
from ..vm.readers_alone import RECORDS, VMS


def _pools(host: Host, names: Iterable[str] | None) -> dict[str, Have]:
    from .reader import read_pools

    return read_pools(host, names)


def _volumes(host: Host, names: Iterable[str] | None) -> dict[str, Have]:
    from ..storage_volume.reader import read_volumes

    return read_volumes(host, names)


def _volume_at(host: Host, path: str) -> Any:
    from ..storage_volume.reader import volume_at

    return volume_at(host, path)


def _free_in(host: Host, pool: str) -> Any:
    from .reader import read_free_in

    return read_free_in(host, pool)


STORAGE = Reads(
    {"storage_pool": _pools, "storage_volume": _volumes},
    {"volume_at": _volume_at, "free_in": _free_in},
)
FOR_PLANS = (STORAGE, VMS, RECORDS)
