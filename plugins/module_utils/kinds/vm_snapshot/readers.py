# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read of snapshots, and for plans about them; imported where it is asked."""

from __future__ import annotations

from collections.abc import Iterable

from ...engine.facts import Reads
from ...engine.plan import Have
from ...host.connection import Host
from ..storage_pool.readers import STORAGE
from ..vm.readers_alone import RECORDS, VMS


def _snapshots(host: Host, names: Iterable[str] | None) -> dict[str, Have]:
    from .reader import read_vm_snapshots

    return read_vm_snapshots(host, names)


SNAPSHOTS = Reads({"vm_snapshot": _snapshots}, {})
FOR_PLANS = (SNAPSHOTS, STORAGE, VMS, RECORDS)
