# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task waits for once a VM runs: an address, the guest's agent, its sshd. Pure.

What was seen of it, and what is said of that, is in `arriving.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...engine.codecs import Value
from ...engine.errors import Mistakes
from ...engine.keys import PRESENT, Key
from ...engine.plan import Plan
from .nic_rows import NICS
from .states import RUNNING
from .table import AGENT_CHANNEL

ADDRESS, AGENT, SSH = AWAITED = ("address", "agent", "ssh")
SPEC: dict[str, Any] = {
    "wait_for": {"type": "str", "choices": list(AWAITED)},
    "wait_timeout_s": {"type": "int", "default": 300},
}


def check_declared(options: Mapping[str, Any], mistakes: Mistakes) -> None:
    """A mistake that shows without a host."""
    if options["wait_timeout_s"] < 1:
        mistakes.add("is no time; write at least 1, in seconds", "wait_timeout_s")


def check(
    options: Mapping[str, Any], state: Value, after: Mapping[Key, Value], mistakes: Mistakes
) -> None:
    """What could never come. Nothing is awaited of a VM that is not to run."""
    what = options.get("wait_for")
    if not what or state != RUNNING:
        return
    if what == AGENT and after.get(("channels", AGENT_CHANNEL)) is not PRESENT:
        message = "would be waited for in vain: the VM has no channel for it; declare agent: true"
        mistakes.add(message, "wait_for")
    if what != AGENT and not any(key[0] == NICS.name for key in after):
        message = f"{what} would be waited for in vain: the VM has no NIC; declare one under nics"
        mistakes.add(message, "wait_for")


def awaited_by(plan: Plan) -> str:
    """What is waited for after a plan is done; nothing of what is not a VM that is to run."""
    runs = plan.wanted.kind == "vm" and plan.after.facts.get("state") == RUNNING
    return str(plan.wanted.options.get("wait_for") or "") if runs else ""


def begins(plan: Plan) -> bool:
    """Whether a plan has the guest begin anew, so that what is known of it from before is old."""
    return plan.have.facts.get("state") != RUNNING or any(one.restarts for one in plan.changes)
