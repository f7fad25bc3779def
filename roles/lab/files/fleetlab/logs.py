# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Collects what helps to understand a failed test: consoles, libvirt's logs, journals."""

from __future__ import annotations

import re
import shutil
from functools import partial
from pathlib import Path

from . import parallel, qemu, ready, ssh
from .declaration import Host
from .errors import LabError
from .labs import FAILED_DIRECTORY, LabRun

# For each file: collecting must end although a host hangs, and before a caller loses patience.
COLLECT_TIMEOUT_S = 40
ENDS_FILE = "ends.log"

_COMMANDS = {
    "journal.log": "journalctl --boot --no-pager --lines 5000",
    "journal-errors.log": "journalctl --boot --no-pager --quiet --priority err",
    "dmesg.log": "dmesg",
    "failed-units.log": "systemctl --failed --no-legend --no-pager",
    "virsh-list.log": "virsh list --all; virsh net-list --all; virsh pool-list --all",
    "libvirt-qemu.log": "tail -v -n 200 /var/log/libvirt/qemu/*.log",
    "guest-consoles.log": "tail -v -n 200 /var/log/libvirt/consoles/*.log",
}
# What a reader who has only the end of a test's output should see of them.
_ENDS = {
    "condition.log": 1,
    qemu.QEMU_LOG: 3,
    "failed-units.log": 5,
    "journal-errors.log": 15,
    "libvirt-qemu.log": 10,
}
_CONSOLE_LINES_OF_LOST_HOST = 30
# libvirt logs QEMU's command line, in dozens of lines with a backslash at their ends.
_COMMAND = re.compile(r"^-|\\$")


def collect(run: LabRun, target: Path) -> str:
    """Write everything below ``target``/LAB, and return the important ends of it.

    A host that does not answer leaves its console.
    """
    directory = target / run.lab.name
    ends = "".join(
        parallel.run([partial(_of_host, run, host, directory) for host in run.lab.hosts])
    )
    failed = run.directory / FAILED_DIRECTORY
    if failed.is_dir():
        shutil.copytree(failed, directory / FAILED_DIRECTORY, dirs_exist_ok=True)
    (directory / ENDS_FILE).write_text(ends)
    run.report(f"logs of lab {run.lab.name} are in {directory}")
    return ends


def _of_host(run: LabRun, host: Host, target: Path) -> str:
    directory = target / host.name
    directory.mkdir(parents=True, exist_ok=True)
    for name in (qemu.SERIAL_LOG, qemu.QEMU_LOG):
        if (run.host_directory(host) / name).exists():
            shutil.copyfile(run.host_directory(host) / name, directory / name)
    condition = run.condition(host)
    (directory / "condition.log").write_text(f"{condition}\n")
    answered = _collect_inside(run, host, directory)
    ends = _ends(host.name, directory)
    if not answered or not condition.startswith("running"):
        ends += ready.console_tail(directory, _CONSOLE_LINES_OF_LOST_HOST) + "\n"
    return ends


def _collect_inside(run: LabRun, host: Host, directory: Path) -> bool:
    """Whether the host answered."""
    for name, command in _COMMANDS.items():
        try:
            done = ssh.run(run.config, host.name, command, COLLECT_TIMEOUT_S, shared=True)
        except LabError as error:
            run.report(f"{host.name}: {error}; the rest of its logs is not collected")
            return False
        (directory / name).write_text(done.stdout + done.stderr)
    return True


def _ends(host: str, directory: Path) -> str:
    found = []
    for name, lines in _ENDS.items():
        path = directory / name
        text = path.read_text(errors="replace") if path.exists() else ""
        telling = [line for line in text.splitlines() if line.strip() and not _COMMAND.search(line)]
        found += [f"{host}: {name}: {line}" for line in telling[-lines:]]
    return "".join(f"{line}\n" for line in found)
