# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be called for a plan about a vswitch."""

from __future__ import annotations

from ...engine import steps
from ...engine.plan import Plan
from .changes import (
    CONNECTING,
    BridgeGone,
    BridgeMade,
    Cleared,
    FiltersMade,
    Guarded,
    PortCame,
    PortWent,
    Raised,
    Refiltered,
    Retagged,
    TunnelsGone,
    Wired,
)

STEPS = steps.Steps(
    beside={
        Cleared: "clear",
        Guarded: "guard",
        BridgeMade: "wire",
        Wired: "wire",
        PortCame: "wire",
        PortWent: "wire",
        Raised: "wire",
        FiltersMade: "filters",
        Refiltered: "follow",
        BridgeGone: "unwire",
        TunnelsGone: "unwire",
    },
    last={**dict.fromkeys(CONNECTING, "connect"), Retagged: "retag"},
    restart="restart",
    updates=True,
)


def steps_of(plan: Plan) -> list[str]:
    """What is to be called, in order; the applier has a function of each name."""
    return steps.steps_of(plan, STEPS)
