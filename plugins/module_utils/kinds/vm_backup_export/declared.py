# SPDX-License-Identifier: GPL-3.0-or-later
"""What is declared of an export, read into plain values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from ...engine.errors import Mistakes
from ...engine.keys import ABSENT, PRESENT

KIND = "vm_backup_export"
AUTO = "auto"
SPEC: dict[str, Any] = {
    "vm": {"type": "str", "required": True},
    "directory": {"type": "path", "required": True},
    "state": {"type": "str", "choices": [str(PRESENT), str(ABSENT)], "default": str(PRESENT)},
    "disks": {"type": "list", "elements": "str"},
    "since": {"type": "str"},
    "checkpoint": {"type": "str"},
    "quiesce": {"type": "str", "choices": [AUTO, "true", "false"], "default": AUTO},
    "socket": {"type": "path"},
    "address": {"type": "str"},
    "port": {"type": "int"},
    "tls": {"type": "bool"},
    "keep_checkpoint": {"type": "bool"},
    "remove_since": {"type": "bool"},
}
OF_BEGINNING = ("disks", "since", "checkpoint", "socket", "address", "port", "tls")
OF_THE_END = ("keep_checkpoint", "remove_since")
LONGEST_SOCKET = 107  # bytes of a path in sockaddr_un
_CHECKPOINT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_ADDRESS = re.compile(r"[A-Za-z0-9.:-]+")


class Declared(NamedTuple):
    """What is declared of the export of one VM. What is 0 or empty was not said."""

    vm: str
    directory: str
    state: str = str(PRESENT)
    disks: tuple[str, ...] = ()
    since: str = ""
    checkpoint: str = ""
    quiesce: str = AUTO
    socket: str = ""
    address: str = ""
    port: int = 0
    tls: bool = False
    keep_checkpoint: bool = False
    remove_since: bool = False

    @property
    def resource(self) -> str:
        """How errors and plans call it."""
        return f"{KIND}/{self.vm}"

    @property
    def target(self) -> str:
        """The VM that is looked at."""
        return self.vm

    @property
    def folder(self) -> str:
        """Where the files of the export are."""
        return f"{self.directory.rstrip('/')}/{self.vm}.export"


def declared_of(params: Mapping[str, Any]) -> Declared:
    """What was declared. Or FleetErrors."""
    mistakes = Mistakes(f"{KIND}/{params['vm']}")
    said = {name: params[name] for name in Declared._fields if params.get(name) is not None}
    _check_names(said, mistakes)
    _check_server(said, mistakes)
    _check_states(said, mistakes)
    if "disks" in said:
        if not said["disks"]:
            mistakes.add("is empty; omit it for all that are written to", "disks")
        said["disks"] = tuple(said["disks"])
    mistakes.raise_any()
    return Declared(**said)


def _check_names(said: Mapping[str, Any], mistakes: Mistakes) -> None:
    vm = said["vm"]
    if not vm or "/" in vm or vm.startswith("."):
        mistakes.add(f"{vm!r} is no name of a VM that could be that of a folder", "vm")
    if not said["directory"].startswith("/"):
        mistakes.add("is no absolute path", "directory")
    checkpoint = said.get("checkpoint")
    if checkpoint is not None and not _CHECKPOINT.fullmatch(checkpoint):
        mistakes.add(
            f"{checkpoint!r} is no name of a checkpoint: up to 100 letters, digits, '.', '_' and "
            "'-', of which the first is a letter or a digit",
            "checkpoint",
        )
    if checkpoint is not None and checkpoint == said.get("since"):
        mistakes.add("is the one that it is since; the new one needs another name", "checkpoint")


def _check_server(said: Mapping[str, Any], mistakes: Mistakes) -> None:
    path = said.get("socket")
    if path is not None and not path.startswith("/"):
        mistakes.add("is no absolute path", "socket")
    elif path is not None and len(path.encode()) > LONGEST_SOCKET:
        mistakes.add(f"is longer than the {LONGEST_SOCKET} bytes that one can have", "socket")
    address = said.get("address")
    if address is not None and path is not None:
        mistakes.add("is at a socket, or at an address and a port; say one of them", "socket")
    if address is not None and not _ADDRESS.fullmatch(address):
        mistakes.add(f"{address!r} is no address", "address")
    if address is not None and "port" not in said:
        mistakes.add("is needed with an address; libvirt chooses none", "port")
    if "port" in said and not 1 <= said["port"] <= 65535:
        mistakes.add(f"{said['port']} is no port", "port")
    for name in ("port", "tls"):
        if said.get(name) and address is None:
            mistakes.add(f"is for an address; say on which one it listens ({name})", "address")


def _check_states(said: Mapping[str, Any], mistakes: Mistakes) -> None:
    ends = said["state"] == str(ABSENT)
    for name in OF_BEGINNING if ends else OF_THE_END:
        if said.get(name):
            state = PRESENT if ends else ABSENT
            mistakes.add(f"is for state: {state}", name)
    if said.get("remove_since") and not said.get("keep_checkpoint"):
        mistakes.add(
            "without keep_checkpoint there would be none from which the next one could go on",
            "remove_since",
        )
