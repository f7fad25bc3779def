# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decides whether a lab host is usable: it answers ssh, has settled, and runs a guest under KVM."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from . import ssh
from .accelerator import PROBE_SOURCE
from .errors import HostFailed, LabError
from .qemu import QEMU_LOG, SERIAL_LOG

CONSOLE_TAIL_LINES = 40
POLL_S = 0.5
SETTLE_TIMEOUT_S = 300
PROBE_TIMEOUT_S = 240
PROBE_GUEST_TIMEOUT_S = 180

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


@dataclass(frozen=True)
class Awaited:
    """A host that is being waited for: how to reach it, and where it leaves its traces."""

    name: str
    directory: Path
    config: Path
    port: int
    alive: Callable[[], bool]


def wait(host: Awaited, timeout_s: float) -> str:
    """Return when ``host`` is usable, what the probe of KVM said; HostFailed when it is lost."""
    try:
        return _wait(host, timeout_s)
    except LabError as error:
        raise lost(host.directory, error) from error


def lost(directory: Path, error: LabError) -> HostFailed:
    """``error`` about the host in ``directory``, with what its console says."""
    if isinstance(error, HostFailed):
        return error
    problem = console_problem(directory) or console_stall(directory)
    reason = f"{error} ({problem})" if problem else str(error)
    return HostFailed(reason, console_tail(directory))


def _wait(host: Awaited, timeout_s: float) -> str:
    deadline = time.monotonic() + timeout_s
    said = "no answer from ssh"
    while time.monotonic() < deadline:
        if console_problem(host.directory):
            raise LabError(f"{host.name}: its kernel is lost")
        if not host.alive():
            raise LabError(f"{host.name}: its QEMU process ended")
        if not ssh.answers(host.port):
            time.sleep(POLL_S)
            continue
        try:
            return _settle_and_probe(host.config, host.name)
        except ssh.UnreachableError as error:
            # A host that is busy starting may drop one connection and take the next.
            said = str(error)
    raise LabError(f"{host.name}: not usable within {timeout_s:.0f} s: {said}")


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
