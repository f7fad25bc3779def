# SPDX-License-Identifier: GPL-3.0-or-later
"""All that can be read of a host: for what looks at a whole one, or at two."""

from __future__ import annotations

from collections.abc import Iterable

from ..engine.facts import Facts
from ..engine.world import Kind, World
from ..host import live_moves
from ..host.connection import Host
from ..host.live import facts_of
from ..kinds.secret.readers import SECRETS
from ..kinds.vm.readers import FOR_PLANS

READS = (*FOR_PLANS, SECRETS, live_moves.READS)


def live_facts(host: Host) -> Facts:
    """The facts of a host as it is now, of which none was asked yet."""
    return facts_of(host, READS)


def world_of(host: Host, kinds: Iterable[Kind]) -> World:
    """The world as a host is, for a plan or a question."""
    return World(live_facts(host), {kind.name: kind for kind in kinds})
