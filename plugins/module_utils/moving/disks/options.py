# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a disk is to live, and how it is to be brought there: what users say of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ...engine.errors import Mistakes
from ...kinds.storage_volume.volumes import is_mark
from ..options import AUTO, FLATTEN, KEEP, rate_of

KIND = "storage_migration"
SPEC: dict[str, Any] = {
    "vm": {"type": "str", "required": True},
    "disk": {"type": "str", "required": True},
    "pool": {"type": "str", "required": True},
    "volume": {"type": "str"},
    "format": {"type": "str", "choices": ["qcow2", "raw"]},
    "backing": {"type": "str", "choices": [AUTO, KEEP, FLATTEN], "default": AUTO},
    "bandwidth": {"type": "str"},
    "timeout_s": {"type": "int"},
    "stall_s": {"type": "int", "default": 60},
    "overwrite": {"type": "bool", "default": False},
    "remove_source_storage": {"type": "bool", "default": False},
}
LEAST_S = 1


class Declared(NamedTuple):
    """What is declared of one disk. What is 0 or empty was not said."""

    vm: str
    disk: str
    pool: str
    volume: str = ""
    format: str = ""
    backing: str = AUTO
    bandwidth: int = 0  # bytes per second
    timeout_s: int = 0  # from the size of what is copied
    stall_s: int = 60
    overwrite: bool = False
    remove_source_storage: bool = False

    @property
    def resource(self) -> str:
        """How errors and plans call it: `storage_migration/web`."""
        return f"{KIND}/{self.vm}"


def declared_of(params: Mapping[str, Any]) -> Declared:
    """What was declared. Or FleetErrors."""
    mistakes = Mistakes(f"{KIND}/{params['vm']}")
    said = {name: params[name] for name in Declared._fields if params.get(name) is not None}
    if said.get("bandwidth"):
        said["bandwidth"] = rate_of(str(said["bandwidth"]), mistakes)
    for name in ("timeout_s", "stall_s"):
        if name in said and said[name] < LEAST_S:
            mistakes.add(f"{said[name]} is less than {LEAST_S}", name)
    for name in ("vm", "disk", "pool"):
        if not said[name]:
            mistakes.add("is empty", name)
    volume = said.get("volume", "")
    if "/" in volume or volume in (".", ".."):
        mistakes.add(f"{volume} is no name of a volume in a pool", "volume")
    if is_mark(volume):
        mistakes.add(f"{volume} is a name that marks a volume which is being made", "volume")
    mistakes.raise_any()
    return Declared(**said)
