# SPDX-License-Identifier: GPL-3.0-or-later
"""By which address of this machine Ansible came, and whether a switch waits to be confirmed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from . import checkpoint, units

VARIABLE = b"SSH_CONNECTION="


def read_way_in() -> dict[str, Any]:
    """The `address` of this machine (empty where Ansible did not come by ssh), whether `systemd`
    runs, and the switch that nobody has confirmed yet (`unconfirmed`)."""
    pending = checkpoint.pending()
    return {
        "address": address_in(_connection()),
        "systemd": units.are_started(),
        "unconfirmed": "" if pending is None else pending["resource"],
    }


def address_in(said: str) -> str:
    """The server's address in what ssh says: client, its port, server, its port. Of a link it has
    the interface with it."""
    words = said.split()
    return words[2].replace("::ffff:", "") if len(words) == 4 else ""


def _connection() -> str:
    """What ssh said to the first process above this one: sudo hands it to none below."""
    return next((said for pid in _above() if (said := _said_to(pid))), "")


def _above() -> Iterator[str]:
    pid = "self"
    while pid not in ("0", "1", ""):
        yield pid
        try:
            after_name = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2]
        except OSError:
            return
        pid = after_name.split()[1]


def _said_to(pid: str) -> str:
    try:
        words = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return ""
    return next((w[len(VARIABLE) :].decode() for w in words if w.startswith(VARIABLE)), "")
