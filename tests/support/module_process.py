"""A module in a process of its own beside the test, which can be killed.

In the namespaces of a PrivateLibvirtd the module is a child of the process that a test starts: it
outlives that one, and a test that killed the wrong one would see the module come to its end.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from support.ansible_runs import COLLECTIONS, MODULES
from support.private_libvirtd import PrivateLibvirtd


def start_module(name: str, args: Mapping[str, Any], on: PrivateLibvirtd) -> subprocess.Popen[str]:
    """Start a module where a libvirtd is the host's own; what it says is in the pipes."""
    process = subprocess.Popen(
        [*on.entry(), sys.executable, "-m", f"{MODULES}.{name}"],
        env={**os.environ, "PYTHONPATH": str(COLLECTIONS)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # What a shell starts in the background ignores Ctrl-C, and so would the module.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdin
    process.stdin.write(json.dumps({"ANSIBLE_MODULE_ARGS": args}))
    process.stdin.close()
    process.stdin = None  # so that communicate() does not flush it
    return process


def kill_module(process: subprocess.Popen[str]) -> None:
    """Kill the module itself, as it cannot prevent."""
    signal_module(process, signal.SIGKILL)
    process.send_signal(signal.SIGCONT)  # nsenter stops with what it started


def signal_module(process: subprocess.Popen[str], number: signal.Signals) -> None:
    """Send a signal to the module, whatever stands between it and the process that was started."""
    for pid in _below(process.pid):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if b"-m" in _command_line(pid) and _command_line(pid)[0] != b"nsenter":
                os.kill(pid, number)


def _below(pid: int) -> list[int]:
    """The children of a process, theirs, and so on."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except FileNotFoundError:
        return []
    return [found for child in map(int, children) for found in (child, *_below(child))]


def _command_line(pid: int) -> list[bytes]:
    return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
