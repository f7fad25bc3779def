# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether anything is to be made from a template; most runs have nothing, and import no more."""

from __future__ import annotations

from collections.abc import Sequence

from ..engine.plan import Wanted
from ..engine.world import World
from ..kinds.vm.made_from import FROM


def completed(world: World, wanted: Sequence[Wanted]) -> list[Wanted]:
    """The declarations, those of new VMs with what their templates have. Or FleetErrors."""
    if not any(one.kind == "vm" and one.options.get(FROM) for one in wanted):
        return list(wanted)
    from .from_template import expanded

    return expanded(world, wanted)
