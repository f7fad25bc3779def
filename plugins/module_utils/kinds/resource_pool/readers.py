# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read of resource pools, and for plans about them."""

from __future__ import annotations

from collections.abc import Iterable

from ...engine.facts import Reads
from ...engine.plan import Have
from ...host import live_guests
from ...host.connection import Host
from ..storage_pool.readers import STORAGE
from ..vm.readers_alone import VMS


def _pools(host: Host, names: Iterable[str] | None) -> dict[str, Have]:
    from .reader import read_pools

    return read_pools(host, names)


POOLS = Reads({"resource_pool": _pools})
# Rules look at what a VM stands on, be it on storage.
FOR_PLANS = (POOLS, VMS, STORAGE, live_guests.READS)
