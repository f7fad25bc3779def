# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Actions that confirm to a host that it can still be reached, after a switch of it was changed.

A connection that is there may live on where none can be made any more, so a new one is made.
"""

from __future__ import annotations

import time
from typing import Any

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase

CONFIRM = "kvm.fleet.vswitch_confirm"
PAUSE_S = 2
# After it is too late the host needs a while to set back what was changed.
SET_BACK_S = 180


class Confirms(ActionBase):
    """Runs the module of the same name, and confirms what it left to be confirmed."""

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        is_async = bool(self._task.async_val) and not self._connection.has_native_async
        begun = time.monotonic()
        try:
            result.update(self._execute_module(task_vars=task_vars, wrap_async=is_async))
        except AnsibleConnectionFailure as error:
            return self._cut_off(error, begun, task_vars)
        checkpoint = result.pop("checkpoint", None)
        if checkpoint:
            result.update(self._confirmed(checkpoint, result, task_vars))
        if not is_async:
            self._remove_tmp_path(self._connection._shell.tmpdir)
        return result

    def _confirmed(
        self, checkpoint: dict[str, Any], result: dict[str, Any], task_vars: dict[str, Any] | None
    ) -> dict[str, Any]:
        """What is otherwise in a result: nothing where the host was told in time."""
        until = time.monotonic() + checkpoint["timeout_s"] + SET_BACK_S
        said = self._asked({"checkpoint": checkpoint["id"]}, until, task_vars)
        if said.get("confirmed"):
            return {}
        why = said.get("msg") or "the host could not be reached any more"
        msg = f"{checkpoint['resource']}: {why}"
        return {"failed": True, "msg": "; ".join([*filter(None, [result.get("msg")]), msg])}

    def _cut_off(
        self, error: AnsibleConnectionFailure, begun: float, task_vars: dict[str, Any] | None
    ) -> dict[str, Any]:
        """The connection ended while the module ran: the host is asked what became of it."""
        if not self._is_of_switches():
            raise error
        said = self._asked({}, time.monotonic() + SET_BACK_S, task_vars)
        while said.get("unconfirmed"):
            time.sleep(PAUSE_S)
            said = self._asked({}, time.monotonic() + SET_BACK_S, task_vars)
        last = said.get("rolled_back") or {}
        if not last or last["age_s"] > time.monotonic() - begun:
            raise error
        what = f"{last['resource']}: was set back as it was: the connection was lost meanwhile"
        return {"failed": True, "msg": f"{what} ({error})"}

    def _is_of_switches(self) -> bool:
        """Whether a run of it may change a switch at all, by which the host is reached."""
        args = self._task.args
        declared = args.get("vswitches") or [args]
        words = ("uplinks", "host_ports", "mtu", "confirm_timeout_s")
        return any(word in one for one in declared for word in words)

    def _asked(
        self, args: dict[str, Any], until: float, task_vars: dict[str, Any] | None
    ) -> dict[str, Any]:
        """What the host answers over a connection of its own; nothing where none can be made."""
        while True:
            try:
                self._connection.reset()
                said: dict[str, Any] = self._execute_module(
                    module_name=CONFIRM, module_args=args, task_vars=task_vars
                )
                return said
            except AnsibleConnectionFailure:
                if time.monotonic() > until:
                    return {}
                time.sleep(PAUSE_S)
