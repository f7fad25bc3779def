# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run leaves to its controller: to confirm that the host can still be reached."""

from __future__ import annotations

from typing import Any

from ..host import checkpoint
from .done import Run


def hand_over(done: Run, outcome: dict[str, Any]) -> None:
    """Tell the checkpoint that is to be confirmed. What failed to be guarded is set back now."""
    guarded = {plan.resource for plan in done.plans if any(c.guards for c in plan.changes)}
    failed = sorted(guarded & {*done.failed})
    if not failed and (said := checkpoint.await_confirmation()):
        outcome["checkpoint"] = said
    elif checkpoint.pending() is not None:
        is_back = checkpoint.set_back()
        how = "was set back as it was" if is_back else "is being set back by the host"
        outcome["msg"] += f"; what was changed of the switch {how}"
