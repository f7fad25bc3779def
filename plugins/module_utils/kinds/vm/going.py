# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes with VMs that go, as further declarations."""

from __future__ import annotations

from collections.abc import Sequence

from ...engine.keys import ABSENT
from ...engine.plan import Wanted
from ...engine.world import World


def volumes_that_go(world: World, wanted: Sequence[Wanted]) -> list[Wanted]:
    """The volumes behind the disks of VMs that go with their storage, declared absent."""
    going = [
        w for w in wanted if w.kind == "vm" and w.state == ABSENT and w.options["remove_storage"]
    ]
    if not going:
        return []
    from .storage import volumes_behind

    return volumes_behind(world, going)
