# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks ZFS on this machine for what libvirt does not tell of it."""

from __future__ import annotations

import subprocess

TIMEOUT_S = 10.0  # a zpool whose disks are gone answers nothing


def properties(data_set: str, *names: str) -> list[str]:
    """What a data set or volume has, sizes in bytes, in the order of the names; nothing where it is
    not there or cannot be asked."""
    command = ["zfs", "get", "-Hpo", "value", ",".join(names), data_set]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    return done.stdout.split("\n")[:-1] if done.returncode == 0 else []
