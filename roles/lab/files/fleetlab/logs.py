# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Collects what helps to understand a failed test: consoles, libvirt's logs, journals."""

from __future__ import annotations

import shutil
from pathlib import Path

from . import qemu, ssh
from .declaration import Host
from .errors import LabError
from .labs import FAILED_DIRECTORY, LabRun

COLLECT_TIMEOUT_S = 60

_COMMANDS = {
    "journal.log": "journalctl --boot --no-pager",
    "dmesg.log": "dmesg",
    "failed-units.log": "systemctl --failed --no-pager",
    "virsh-list.log": "virsh list --all; virsh net-list --all; virsh pool-list --all",
    "libvirt-qemu.log": "tail -v -n 200 /var/log/libvirt/qemu/*.log",
    "guest-consoles.log": "tail -v -n 200 /var/log/libvirt/consoles/*.log",
}


def collect(run: LabRun, target: Path) -> None:
    """Write everything below ``target``/LAB; a host that does not answer leaves its console."""
    for host in run.lab.hosts:
        directory = target / run.lab.name / host.name
        directory.mkdir(parents=True, exist_ok=True)
        for name in (qemu.SERIAL_LOG, qemu.QEMU_LOG):
            if (run.host_directory(host) / name).exists():
                shutil.copyfile(run.host_directory(host) / name, directory / name)
        (directory / "condition.log").write_text(run.condition(host) + "\n")
        _collect_inside(run, host, directory)
    failed = run.directory / FAILED_DIRECTORY
    if failed.is_dir():
        shutil.copytree(failed, target / run.lab.name / FAILED_DIRECTORY, dirs_exist_ok=True)
    run.report(f"logs of lab {run.lab.name} are in {target / run.lab.name}")


def _collect_inside(run: LabRun, host: Host, directory: Path) -> None:
    for name, command in _COMMANDS.items():
        try:
            done = ssh.run(run.config, host.name, command, COLLECT_TIMEOUT_S, shared=True)
        except LabError as error:
            run.report(f"{host.name}: {error}; the rest of its logs is not collected")
            return
        (directory / name).write_text(done.stdout + done.stderr)
