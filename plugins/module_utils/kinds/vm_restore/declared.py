# SPDX-License-Identifier: GPL-3.0-or-later
"""What is declared of a VM that is to be as in a backup, read into plain values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any, NamedTuple

from ...engine.errors import Mistakes
from ..vm.states import RUNNING, STOPPED
from ..vm_backup.declared import check_names

KIND = "vm_restore"
SPEC: dict[str, Any] = {
    "vm": {"type": "str", "required": True},
    "directory": {"type": "path", "required": True},
    "backup": {"type": "str"},
    "before": {"type": "str"},
    "name": {"type": "str"},
    "pool": {"type": "str"},
    "overwrite": {"type": "bool", "default": False},
    "state": {"type": "str", "choices": [STOPPED, RUNNING], "default": STOPPED},
    "timeout_s": {"type": "int"},
}
_NAME = re.compile(r"[^/\x00-\x1f.][^/\x00-\x1f]{0,199}")


class Declared(NamedTuple):
    """Which backup, and as what. What is 0 or empty was not said."""

    vm: str
    directory: str
    backup: str = ""
    before: int = 0  # milliseconds since 1970
    name: str = ""
    pool: str = ""
    overwrite: bool = False
    state: str = STOPPED
    timeout_s: int = 0  # from the size of the disks

    @property
    def target(self) -> str:
        """The VM that it becomes."""
        return self.name or self.vm

    @property
    def resource(self) -> str:
        """How errors and plans call it: `vm_restore/web`."""
        return f"{KIND}/{self.target}"

    @property
    def folder(self) -> str:
        """Where the backups of the VM are."""
        return f"{self.directory.rstrip('/')}/{self.vm}"


def declared_of(params: Mapping[str, Any]) -> Declared:
    """What was declared. Or FleetErrors."""
    mistakes = Mistakes(f"{KIND}/{params.get('name') or params['vm']}")
    said = {name: params[name] for name in Declared._fields if params.get(name) is not None}
    check_names({"vm": said["vm"], "directory": said["directory"]}, mistakes)
    if said.get("backup") and said.get("before"):
        mistakes.add("names one backup, and before looks for one; leave one out", "backup")
    if "before" in said:
        said["before"] = _moment(said["before"], mistakes)
    if "name" in said and not _NAME.fullmatch(said["name"]):
        mistakes.add(f"{said['name']!r} is no name of a VM", "name")
    if "timeout_s" in said and said["timeout_s"] < 1:
        mistakes.add(f"{said['timeout_s']} is less than 1", "timeout_s")
    mistakes.raise_any()
    return Declared(**said)


def _moment(text: str, mistakes: Mistakes) -> int:
    try:
        found = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    except ValueError:
        mistakes.add(f"{text!r} is no time; write it as 2026-11-27T22:00:00Z", "before")
        return 0
    if found.tzinfo is None:
        found = found.replace(tzinfo=timezone.utc)
    return int(found.timestamp() * 1000)
