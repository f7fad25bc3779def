# SPDX-License-Identifier: GPL-3.0-or-later
"""What NetworkManager says of itself by `nmcli`, and the files of ours from which it makes bridges
of Linux."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..engine.keepers import PREFIX
from .writing import flush, write_whole

CONNECTIONS = Path("/etc/NetworkManager/system-connections")
SETTINGS = Path("/etc/NetworkManager/conf.d")
FOR_NOW = Path("/run/NetworkManager/system-connections")
_FOLDERS = {".nmconnection": CONNECTIONS, ".conf": SETTINGS}


def read_network_manager() -> dict[str, Any]:
    """Its `version` (empty where it does not run), the interfaces that it has nothing to do with
    (`unmanaged`), the connection that each of the others has (`active`), and of each connection the
    interface that has it and its file (`connections`)."""
    version = _told("general", "VERSION")
    devices = _told("device", "DEVICE", "STATE", "CONNECTION") if version else []
    connections = _told("connection", "UUID", "DEVICE", "FILENAME") if version else []
    return {
        "version": version[0][0] if version else "",
        "unmanaged": sorted(name for name, state, _connection in devices if state == "unmanaged"),
        "active": {name: connection for name, _state, connection in devices if connection},
        "connections": {number: [device, path] for number, device, path in connections},
    }


def read_files() -> dict[str, str]:
    """The files that are ours, by name."""
    return {
        path.name: path.read_text(encoding="utf-8", errors="replace")
        for ending, folder in _FOLDERS.items()
        for path in sorted(folder.glob(f"{PREFIX}*{ending}"))
        if path.is_file()
    }


def _told(of: str, *columns: str) -> list[list[str]]:
    """The columns of what nmcli lists; nothing where NetworkManager does not answer."""
    done = called(["nmcli", "--terse", "--fields", ",".join(columns), of])
    if done is None or done.returncode:
        return []
    return [fields_in(line) for line in done.stdout.splitlines() if line]


def fields_in(line: str) -> list[str]:
    """The fields of a terse line, in which a colon and a backslash have a backslash before them."""
    fields, escaped = [""], False
    for one in line:
        if one == ":" and not escaped:
            fields.append("")
        elif one == "\\" and not escaped:
            escaped = True
            continue
        else:
            fields[-1] += one
        escaped = False
    return fields


def called(command: Sequence[str]) -> subprocess.CompletedProcess[str] | None:
    """What it said, in the language that is read here; None where the host has no such program."""
    english = {**os.environ, "LC_ALL": "C"}
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, env=english)
    except OSError:
        return None


def write_files(will: Mapping[str, str], are: Mapping[str, str]) -> None:
    """Have the files of a bridge, each written whole or not at all, and none that it has no more.

    NetworkManager reads none that others could have written, or can read.
    """
    for folder in _FOLDERS.values():
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    for name, text in will.items():
        if are.get(name) != text:
            write_whole(_path(name), text.encode(), 0o600)
    for name in (name for name in are if name not in will):
        with suppress(FileNotFoundError):
            _path(name).unlink()
    for folder in _FOLDERS.values():
        flush(folder)


def forget_for_now(connections: Iterable[str]) -> None:
    """Take away what somebody changed of them until the next start (nmcli connection modify
    --temporary): it goes before the files."""
    now = read_network_manager()["connections"]
    for path in (Path(now[one][1]) for one in connections if one in now):
        if path.parent == FOR_NOW:
            path.unlink()


def _path(name: str) -> Path:
    return _FOLDERS[Path(name).suffix] / name
