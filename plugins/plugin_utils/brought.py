# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Actions that write what their module found on a host into a file of the controller.

The module returns it as `content`, in base64. What Ansible shows and registers is without.
"""

from __future__ import annotations

import base64
import contextlib
import os
import tempfile
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

# A screen and a console can show passwords.
MODE = 0o600


class Brings(ActionBase):
    """Runs the module of the same name, and writes its `content` to `dest`."""

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        super().run(tmp, task_vars)
        dest = self._dest()
        result: dict[str, Any] = self._execute_module(task_vars=task_vars)
        content = result.pop("content", None)
        if content is None:
            return result
        data = base64.b64decode(content)
        try:
            differs = brought(dest, data, self._task.check_mode)
        except OSError as error:
            raise AnsibleActionFail(
                f"dest: {dest} cannot be written: {error.strerror}", result=result
            ) from error
        result["changed"] = differs or bool(result.get("started"))
        return {**result, "dest": str(dest), "size_bytes": len(data)}

    def _dest(self) -> Path:
        """Where the file is to be, as far as that can be told before the module runs."""
        given = self._task.args.get("dest")
        if not given:  # which the module tells of, and of all else that is missing
            return Path()
        dest = Path(self._loader.path_dwim(str(given))).resolve()
        if dest.is_dir() or str(given).endswith("/"):
            raise AnsibleActionFail(f"dest: {given} is a folder; name a file in it")
        if dest.exists() and not dest.is_file():  # a device would be replaced, or read without end
            raise AnsibleActionFail(f"dest: {given} is no regular file; name another")
        if not dest.parent.is_dir():
            raise AnsibleActionFail(f"dest: the folder {dest.parent} does not exist; make it first")
        return dest


def brought(dest: Path, data: bytes, checking: bool) -> bool:
    """Have the file say this, but not in check mode; whether it said anything else.

    One that is there keeps its mode. It is never half written.
    """
    there = dest.exists()
    differs = not there or dest.read_bytes() != data
    if differs and not checking:
        _replace(dest, data, dest.stat().st_mode & 0o7777 if there else MODE)
    return differs


def _replace(dest: Path, data: bytes, mode: int) -> None:
    handle, made = tempfile.mkstemp(dir=dest.parent, prefix=f".{dest.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(made).chmod(mode)
        Path(made).replace(dest)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(made).unlink()
        raise
