# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of all plans of a run that may change VMs, wherever they are declared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...engine.errors import FleetError
from ...engine.plan import Plan
from ...engine.world import World
from ..vm.said import only_says
from . import kept


def nothing_clashes(plans: Sequence[Plan], world: World) -> Iterator[FleetError]:
    """What plans bring, take and hold goes together, and with what is there."""
    if all(not plan.changed or _only_says(plan) for plan in plans):
        return
    from ..images import one_writer
    from ..vm import block_jobs, claimed, leases, screen_ports, state_files
    from . import admission, rules, templates

    for rule in (
        rules.unique_macs,
        screen_ports.free_ports,
        claimed.one_vm_each,
        leases.hold,
        rules.nothing_in_use_goes,
        state_files.one_vm_each,
        one_writer.one_writer,
        block_jobs.no_job_is_disturbed,
        templates.not_written,
        admission.admitted,
    ):
        yield from rule(plans, world)


def _only_says(plan: Plan) -> bool:
    return plan.wanted.kind == "vm" and only_says(plan)


RULES = (nothing_clashes, kept.kept)
