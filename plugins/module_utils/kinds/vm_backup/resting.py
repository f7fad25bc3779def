# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the guest's file systems are at rest for the moment of a backup or an export."""

from __future__ import annotations

from typing import Any

from ...engine.errors import FleetError
from ..vm.states import RUNNING
from .case import AtWork

AGENT = "devices/channel/target[@name='org.qemu.guest_agent.0']"


def quiesces_in(case: AtWork[Any], asked: str) -> tuple[bool, str, list[FleetError]]:
    """Whether the guest's agent has its file systems at rest meanwhile, and what to say of it."""
    why_not = ""
    if not case.runs:
        why_not = "" if asked != "true" else "the VM does not run"
    elif case.state != RUNNING:
        why_not = "the guest is paused, and its agent too"
    elif not any(one.get("state") == "connected" for one in case.domain.iterfind(AGENT)):
        why_not = "no guest agent is connected; the disks are as after a power failure"
    if asked == "true" and why_not:
        error = FleetError(f"the guest cannot be asked: {why_not}", case.resource, "quiesce")
        return False, "", [error]
    if not case.runs or asked == "false":
        return False, "", []
    return not why_not, why_not or "the guest agent has its file systems at rest meanwhile", []
