# SPDX-License-Identifier: GPL-3.0-or-later
"""What libvirt's parser has against a definition that is to be stored."""

from __future__ import annotations

from ...engine import xmltree
from ...engine.errors import FleetError
from ...engine.host import TEST, HostFacts
from ...engine.plan import Plan


def check(plan: Plan, host: HostFacts) -> None:
    """FleetError if the parser refuses a network or pool, of which there is no other judgement.

    A host that is a test driver itself would be the one that it is defined on. What was to be said
    before is no mistake of the plan.
    """
    before, after = plan.have.stored, plan.after.stored
    if after is None or after is before or host.driver == TEST:
        return
    said = host.parser_refusal(plan.wanted.kind, xmltree.serialise(after))
    if not said:
        return
    if before is None or host.parser_refusal(plan.wanted.kind, xmltree.serialise(before)) != said:
        raise FleetError(f"libvirt would refuse it: {said}", plan.resource)
