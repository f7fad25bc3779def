# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts, finds and stops the processes of a lab.

There are no pid files: a process belongs to a lab if its working directory is inside the lab's
directory and its command line carries the lab's mark. That is true after a crash of this program
too, and never true of anybody else's process.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import LabError

MARK = "kvm-fleet-lab"


@dataclass(frozen=True)
class Process:
    pid: int
    mark: str


def mark_of(lab: str, part: str) -> str:
    return f"{MARK}/{lab}/{part}"


def spawn(argv: Sequence[str], directory: Path, log: Path) -> subprocess.Popen[bytes]:
    """Start ``argv`` in ``directory``, detached: it lives on when this program ends."""
    with log.open("ab") as output:
        return subprocess.Popen(
            argv,
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def find(directory: Path, mark: str = MARK + "/") -> list[Process]:
    """The live processes inside ``directory`` with this mark, or below it if it ends in "/"."""
    found = []
    for pid, argument in _marked():
        inside = _working_directory(pid)
        matches = argument == mark or (mark.endswith("/") and argument.startswith(mark))
        if matches and inside and _is_below(inside, directory):
            found.append(Process(pid, argument))
    return found


def _marked() -> Iterator[tuple[int, str]]:
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            arguments = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            for argument in arguments:
                if argument.startswith(MARK + "/"):
                    yield int(entry.name), argument
                    break


def _working_directory(pid: int) -> Path | None:
    """None for a process that is gone or another user's."""
    try:
        target = str(Path(f"/proc/{pid}/cwd").readlink())
    except OSError:
        return None
    # The kernel marks a directory that was removed under a running process.
    return Path(target[: -len(" (deleted)")] if target.endswith(" (deleted)") else target)


def _is_below(path: Path, directory: Path) -> bool:
    real = directory.resolve()
    return path == real or real in path.parents


def stop(directory: Path, mark: str, timeout_s: float = 10) -> int:
    """End the processes that ``find`` finds, by force if they don't; how many there were."""
    found = find(directory, mark)
    left = [process.pid for process in found]
    for signal_number in (signal.SIGTERM, signal.SIGKILL):
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal_number)
        left = _wait_for_end(left, time.monotonic() + timeout_s)
        if not left:
            return len(found)
    raise LabError(f"processes {left} of {mark} did not end within {2 * timeout_s:.0f} s")


def _wait_for_end(pids: list[int], deadline: float) -> list[int]:
    """The processes that are still there at the deadline."""
    left = [pid for pid in pids if _runs(pid)]
    while left and time.monotonic() < deadline:
        time.sleep(0.1)
        left = [pid for pid in left if _runs(pid)]
    return left


def _runs(pid: int) -> bool:
    """False for a zombie too: it is gone but for its parent, who may never ask."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in ("Z", "X")
