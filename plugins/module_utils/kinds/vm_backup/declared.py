# SPDX-License-Identifier: GPL-3.0-or-later
"""What is declared of backups, read into plain values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from ...engine.errors import Mistakes
from ...engine.keys import ABSENT, PRESENT
from ...engine.units import parse_size
from .manifest import FULL, INCREMENTAL, PARTIAL

KIND = "vm_backup"
AUTO = "auto"
SPEC: dict[str, Any] = {
    "vm": {"type": "str", "required": True},
    "directory": {"type": "path", "required": True},
    "name": {"type": "str"},
    "state": {"type": "str", "choices": [str(PRESENT), str(ABSENT)], "default": str(PRESENT)},
    "mode": {"type": "str", "choices": [AUTO, FULL, INCREMENTAL], "default": AUTO},
    "max_age": {"type": "str"},
    "disks": {"type": "list", "elements": "str"},
    "checkpoint": {"type": "bool", "default": True},
    "quiesce": {"type": "str", "choices": [AUTO, "true", "false"], "default": AUTO},
    "max_incrementals": {"type": "int", "default": 30},
    "keep": {"type": "int"},
    "keep_days": {"type": "int"},
    "bandwidth": {"type": "str"},
    "timeout_s": {"type": "int"},
    "stall_s": {"type": "int", "default": 60},
}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_AGE = re.compile(r"(\d{1,6})([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_LEAST = {"timeout_s": 1, "stall_s": 1, "keep": 1, "keep_days": 1, "max_incrementals": 0}


class Declared(NamedTuple):
    """What is declared of the backups of one VM. What is 0 or empty was not said."""

    vm: str
    directory: str
    name: str = ""
    state: str = str(PRESENT)
    mode: str = AUTO
    max_age: int = 0  # seconds
    disks: tuple[str, ...] = ()
    checkpoint: bool = True
    quiesce: str = AUTO
    max_incrementals: int = 30
    keep: int = 0
    keep_days: int = 0
    bandwidth: int = 0  # bytes per second
    timeout_s: int = 0  # from the size of what is copied
    stall_s: int = 60

    @property
    def resource(self) -> str:
        """How errors and plans call it: `vm_backup/web`, or with its name behind that."""
        return f"{KIND}/{self.vm}/{self.name}" if self.name else f"{KIND}/{self.vm}"

    @property
    def target(self) -> str:
        """The VM that is looked at."""
        return self.vm

    @property
    def folder(self) -> str:
        """Where the backups of the VM are."""
        return f"{self.directory.rstrip('/')}/{self.vm}"


def declared_of(params: Mapping[str, Any]) -> Declared:
    """What was declared. Or FleetErrors."""
    mistakes = Mistakes(f"{KIND}/{params['vm']}")
    said = {name: params[name] for name in Declared._fields if params.get(name) is not None}
    if said.get("bandwidth"):
        said["bandwidth"] = rate_of(str(said["bandwidth"]), mistakes)
    if "max_age" in said:
        said["max_age"] = _age_of(said["max_age"], mistakes)
    for name, least in _LEAST.items():
        if name in said and said[name] < least:
            mistakes.add(f"{said[name]} is less than {least}", name)
    check_names(said, mistakes)
    if "disks" in said:
        if not said["disks"]:
            mistakes.add("is empty; omit it for all that are written to", "disks")
        said["disks"] = tuple(said["disks"])
    _check_together(said, mistakes)
    mistakes.raise_any()
    return Declared(**said)


def check_names(said: Mapping[str, Any], mistakes: Mistakes) -> None:
    """The VM and the backup are folders."""
    vm = said["vm"]
    if not vm or "/" in vm or vm.startswith(".") or vm.endswith(PARTIAL):
        mistakes.add(f"{vm!r} is no name of a VM that could be that of a folder", "vm")
    if not said["directory"].startswith("/"):
        mistakes.add("is no absolute path", "directory")
    name = said.get("name")
    if name is not None and (not _NAME.fullmatch(name) or name.endswith(PARTIAL)):
        mistakes.add(
            f"{name!r} is no name of a folder: up to 100 letters, digits, '.', '_' and '-', of "
            f"which the first is a letter or a digit, and no {PARTIAL} at its end",
            "name",
        )


def _check_together(said: Mapping[str, Any], mistakes: Mistakes) -> None:
    if said["state"] == str(ABSENT) and not said.get("name"):
        mistakes.add("is needed with state: absent; the others go by keep and keep_days", "name")
    if said.get("name") and said.get("max_age"):
        mistakes.add("is for backups without a name; one that has one is made once", "max_age")
    if said["mode"] == INCREMENTAL and said["checkpoint"] is False:
        mistakes.add("an incremental backup begins a checkpoint for the next one", "checkpoint")


def _age_of(text: str, mistakes: Mistakes) -> int:
    match = _AGE.fullmatch(text.strip())
    if not match or not int(match[1]):
        mistakes.add(f"{text!r} is no time; write a number with s, m, h, d or w: 24h", "max_age")
        return 0
    return int(match[1]) * _SECONDS[match[2]]


def rate_of(text: str, mistakes: Mistakes) -> int:
    """Bytes per second in `100MiB/s`."""
    size, _slash, per = text.strip().partition("/")
    try:
        rate = parse_size(size)
    except ValueError as error:
        mistakes.add(f"{error}; a rate is written as 100MiB/s", "bandwidth")
        return 0
    if per.strip() not in ("", "s") or not rate:
        mistakes.add(f"{text} is no rate per second; write it as 100MiB/s", "bandwidth")
    return rate
