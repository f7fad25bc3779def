# SPDX-License-Identifier: GPL-3.0-or-later
"""Which targets an iSCSI server lists to this machine. Nothing is noted of it on the way."""

from __future__ import annotations

import shutil
import subprocess

from .connection import Host

DEADLINE_S = 10.0  # open-iscsi itself tries for minutes
NONE = 21  # ISCSI_ERR_NO_OBJS_FOUND


def read_iscsi_targets(host: Host, address: str, port: str) -> list[str] | None:
    """Their names; None where nobody can tell."""
    program = shutil.which("iscsiadm") if host.is_local else None
    if program is None:
        return None
    portal = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    discovery = ("--mode", "discovery", "--type", "sendtargets", "--portal", portal)
    argv = [program, *discovery, "--op", "nonpersistent"]
    try:
        done = subprocess.run(
            argv,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=DEADLINE_S,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode == NONE:
        return []
    return targets_in(done.stdout) if done.returncode == 0 else None


def targets_in(text: str) -> list[str]:
    """The names in what iscsiadm prints: a line for each portal of each target."""
    lines = (line.split() for line in text.splitlines())
    return sorted({words[1] for words in lines if len(words) == 2})
