# SPDX-License-Identifier: GPL-3.0-or-later
"""Confirms a change of a switch, so that its host does not set it back."""

from __future__ import annotations

import time
from typing import Any

from ansible.module_utils import basic

from ..host import checkpoint


def confirm(module: basic.AnsibleModule) -> None:
    """End the module with what became of the checkpoint that is named, or of the last one."""
    name = module.params["checkpoint"]
    if name is None or module.check_mode:
        module.exit_json(changed=False, confirmed=False, **_told())
    try:
        is_confirmed = checkpoint.confirm(name)
    except OSError as error:
        module.fail_json(msg=f"cannot be confirmed: {error}; run as root (become: true)")
    if not is_confirmed:
        module.fail_json(msg=_why_not(name), confirmed=False, **_told())
    module.exit_json(changed=True, confirmed=True, **_told())


def _told() -> dict[str, Any]:
    pending, last = checkpoint.pending(), checkpoint.last_rolled_back()
    of_last = {"resource": last["resource"], "checkpoint": last["id"]} if last else {}
    if last:
        of_last["age_s"] = max(0, round(time.time() - last["at"]))
    return {"unconfirmed": pending["id"] if pending else "", "rolled_back": of_last}


def _why_not(name: str) -> str:
    last = checkpoint.last_rolled_back()
    if last is None or last["id"] != name:
        return f"there is no change {name} that waits to be confirmed"
    return (
        "the host set the switch back as it was, since nobody reached it in time after the change; "
        "what was declared would have cut it off"
    )
