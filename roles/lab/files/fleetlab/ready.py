# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decides whether a lab host is usable: it answers ssh, has settled, and runs a guest under KVM."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Callable

from . import ssh
from .accelerator import PROBE_SOURCE
from .errors import HostFailed, LabError
from .qemu import QEMU_LOG, SERIAL_LOG

CONSOLE_TAIL_LINES = 40
POLL_S = 0.5
SETTLE_TIMEOUT_S = 120
PROBE_TIMEOUT_S = 90
PROBE_GUEST_TIMEOUT_S = 60

# What the console says, even with a quiet kernel, when a host is lost.
LOST = re.compile(
    r"Kernel panic - not syncing|BUG: (?:unable to handle|TASK stack guard).*"
    r"|lab initrd: cannot mount the root disk"
)
# And when it got no processor for long: its own fault, or that of a busy machine. Hosts survive it.
STALLED = re.compile(r"BUG: soft lockup.*|rcu: INFO: .*detected stall.*")

# A restored host believes that it is still the time of its snapshot; its clock chip knows better.
# A failed unit ("degraded") is for the tests to judge.
_USABLE = f"""
busybox hwclock --utc --hctosys
state=$(timeout {SETTLE_TIMEOUT_S} systemctl is-system-running --wait)
case $state in
    running | degraded) exec python3 - ;;
    *) echo "systemd is still ${{state:-silent}}"; exit 1 ;;
esac
"""

_PROBE_CALL = f"""
import sys
node, flags = kvm_node(), cpu_flags()
qemu = find_qemu()
# A bare host has no QEMU to start a guest with: its node and its CPU are all that can be asked.
probe = run_probe(qemu, deadline_s={PROBE_GUEST_TIMEOUT_S}) if qemu else node
found = verdict(node, flags, probe)
print(found.reason)
sys.exit(not found.accelerated)
"""


def console_problem(directory: Path) -> str | None:
    """What the console says about the kernel being lost, if it does."""
    return _found(LOST, directory)


def console_stall(directory: Path) -> str | None:
    """What the console says about the kernel having stalled, if it does."""
    return _found(STALLED, directory)


def _found(pattern: re.Pattern[str], directory: Path) -> str | None:
    found = pattern.search(_text(directory / SERIAL_LOG))
    return found[0].strip() if found else None


def console_tail(directory: Path, lines: int = CONSOLE_TAIL_LINES) -> str:
    """The end of the host's console, and what QEMU said."""
    console = _text(directory / SERIAL_LOG).replace("\r", "").splitlines()[-lines:]
    qemu = _text(directory / QEMU_LOG).splitlines()[-5:]
    return "\n".join(f"console: {line}" for line in console) + "".join(f"\nqemu: {q}" for q in qemu)


def wait(
    directory: Path, config: Path, host: str, port: int, alive: Callable[[], bool], timeout_s: float
) -> str:
    """Return when ``host`` is usable, what the probe of KVM said; HostFailed when it is lost."""
    try:
        _wait_for_ssh(directory, host, port, alive, timeout_s)
        return _settle_and_probe(config, host)
    except HostFailed:
        raise
    except LabError as error:
        problem = console_problem(directory) or console_stall(directory)
        reason = f"{error} ({problem})" if problem else str(error)
        raise HostFailed(reason, console_tail(directory)) from error


def _wait_for_ssh(
    directory: Path, host: str, port: int, alive: Callable[[], bool], timeout_s: float
) -> None:
    deadline = time.monotonic() + timeout_s
    while not ssh.answers(port):
        problem = console_problem(directory)
        if problem:
            raise LabError(f"{host}: its kernel is lost")
        if not alive():
            raise LabError(f"{host}: its QEMU process ended")
        if time.monotonic() > deadline:
            raise LabError(f"{host}: no answer from ssh within {timeout_s:.0f} s")
        time.sleep(POLL_S)


def _settle_and_probe(config: Path, host: str) -> str:
    """Wait for systemd, then start a guest of a few instructions under KVM inside ``host``.

    All in one connection: each costs an emulated host a second or more.
    """
    script = PROBE_SOURCE.read_text() + _PROBE_CALL
    done = ssh.run(config, host, _USABLE, SETTLE_TIMEOUT_S + PROBE_TIMEOUT_S, stdin=script)
    said = (done.stdout or done.stderr).strip().splitlines()[-1:] or ["no message"]
    if done.returncode != 0:
        raise LabError(f"{host}: not usable: {said[0]}")
    return said[0]


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except FileNotFoundError:
        return ""
