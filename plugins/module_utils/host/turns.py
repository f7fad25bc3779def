# SPDX-License-Identifier: GPL-3.0-or-later
"""One run after the other, where two at once would both take the last of something of a host."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..engine.errors import FleetError
from .connection import Host, wait_until

# Beside what libvirt's hook locks for a moment, which it does in the midst of a run as well.
SYSTEMS = "/run/kvm-fleet/run.lock"
SESSIONS = "kvm-fleet.lock"  # beside a session's libvirt
# A run that starts many guests, or waits for some to shut down, takes minutes.
TIMEOUT_S = 600.0


def lock_of(host: Host) -> Path:
    """The file by which runs for a libvirt of this machine take turns."""
    return Path(host.state_folder) / SESSIONS if host.state_folder else Path(SYSTEMS)


@contextmanager
def in_turn(lock: Path, doing: str, timeout_s: float = TIMEOUT_S) -> Iterator[None]:
    """Nobody else who does the same is in here. FleetError after a while, or without the right.

    The kernel lets go of the lock of a process that has ended, however it did.
    """
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise FleetError(
            f"cannot take {lock} ({error.strerror}), by which one run at a time may {doing}; run "
            "as root (become: true)"
        ) from error
    try:
        if not wait_until(lambda: _taken(file), timeout_s):
            raise FleetError(
                f"{_holder(file)} holds {lock} for more than {timeout_s:g} seconds by now, and one "
                f"run at a time may {doing}; run again when it has ended"
            )
        os.truncate(file, 0)
        os.pwrite(file, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(file)


def _taken(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _holder(file: int) -> str:
    """Who holds it, as it wrote itself; a moment after it took it there may be nothing yet."""
    pid = os.pread(file, 20, 0).decode("ascii", "replace").strip()
    return f"another run (process {pid})" if pid else "another run"
