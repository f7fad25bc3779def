# SPDX-License-Identifier: GPL-3.0-or-later
"""The rule that nothing is written to the disks of a template."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...engine.errors import FleetError
from ...engine.mark import is_template
from ...engine.plan import UPDATE, Have, Plan
from ...engine.world import World
from ..storage_volume.volumes import KIND as VOLUME
from ..storage_volume.volumes import resizes
from .references import names_of, uses_of


def not_written(plans: Sequence[Plan], world: World) -> Iterator[FleetError]:
    """No volume grows that is a template's, and was before the run."""
    for plan in plans:
        if plan.wanted.kind != VOLUME or plan.action != UPDATE or not resizes(plan):
            continue
        of = [name for name, have in world.everything("vm").items() if _has(have, plan, world)]
        if of:
            yield FleetError(
                f"is a disk of the template {', '.join(sorted(of))}, which is never written to; "
                "grow the disks of VMs that are made from it",
                plan.resource,
                "capacity",
            )


def _has(have: Have, plan: Plan, world: World) -> bool:
    both = all(_is_one(one) for one in (world.was("vm", have.name), have))
    return both and bool(uses_of(have) & names_of(plan.have))


def _is_one(have: Have) -> bool:
    return have.stored is not None and is_template(have.stored)
