# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps booted and warmed hosts, to be restored in seconds instead of booted.

A snapshot is the host's qcow2 files with its memory inside. It fits only the very same machine, so
its key covers the image, QEMU's version, the command line and the host's own files.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from . import qemu, ssh
from .declaration import Host, Lab
from .errors import LabError
from .home import Home
from .image import Image
from .qmp import Monitor

TAG = "ready"
KEEP = 12
SAVE_TIMEOUT_S = 180
COPY_TIMEOUT_S = 300

# What the first guest on a host pays for: libvirt asks QEMU what it can do, and disk reads.
_WARM_UP = "test ! -x /usr/bin/virsh || virsh -q domcapabilities --virttype kvm >/dev/null; sync"


@dataclass(frozen=True)
class Snapshot:
    directory: Path

    @property
    def exists(self) -> bool:
        return self.directory.is_dir()


def of_host(
    home: Home,
    lab: Lab,
    host: Host,
    image: Image,
    accelerator: qemu.Accelerator,
    own_files: bytes,
    qemu_version: str,
) -> Snapshot:
    """Where the snapshot of ``host`` is or would be. Labs that declare the same host share it."""
    anonymous = replace(lab, name="any")
    machine = qemu.command("qemu", anonymous, host, Path("kernel"), accelerator, 0)
    parts = [
        image.key,
        qemu_version,
        machine,
        [disk.size_mib for disk in host.disks],
        hashlib.sha256(own_files).hexdigest(),
    ]
    key = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
    return Snapshot(home.snapshots / key)


def warm_up(config: Path, host: str) -> None:
    done = ssh.run(config, host, _WARM_UP, SAVE_TIMEOUT_S)
    if done.returncode != 0:
        raise LabError(f"{host}: warming libvirt up failed: {done.stderr.strip()}")


def save(snapshot: Snapshot, directory: Path, host: Host) -> None:
    """Freeze the running host into ``snapshot``; its process has ended afterwards."""
    with Monitor(directory, SAVE_TIMEOUT_S) as monitor:
        monitor.execute("stop")
        said = monitor.human(f"savevm {TAG}")
        monitor.execute("quit")
    if said:
        raise LabError(f"{host.name}: QEMU cannot save a snapshot: {said}")


def keep(snapshot: Snapshot, directory: Path, host: Host) -> None:
    """Move the files of a host whose process has ended into ``snapshot``."""
    parent = snapshot.directory.parent
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".saving-", dir=parent) as scratch:
        complete = Path(scratch) / "snapshot"
        complete.mkdir()
        for name in qemu.disk_files(host):
            (directory / name).rename(complete / name)
        try:
            complete.rename(snapshot.directory)
        except OSError:
            # Another lab may have saved the same host meanwhile: either will do.
            if not snapshot.exists:
                raise
    prune(parent)


def copy(snapshot: Snapshot, directory: Path, host: Host) -> None:
    """Put the snapshot's disks into the host's directory, sharing blocks where the disk can."""
    # First of all: what was used last is not pruned by another lab.
    snapshot.directory.touch()
    for name in qemu.disk_files(host):
        source = str(snapshot.directory / name)
        command = ["cp", "--reflink=auto", "--sparse=always", source, str(directory)]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=COPY_TIMEOUT_S, check=False
        )
        if done.returncode != 0:
            raise LabError(f"{host.name}: restoring its snapshot failed: {done.stderr.strip()}")


def drop(snapshot: Snapshot) -> None:
    """Remove a snapshot; a lab that is copying it boots its host instead."""
    shutil.rmtree(snapshot.directory, ignore_errors=True)


def prune(parent: Path, keep_newest: int = KEEP) -> None:
    """Remove the snapshots that were not used for longest."""
    found = [path for path in parent.iterdir() if not path.name.startswith(".")]
    for path in sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)[keep_newest:]:
        shutil.rmtree(path, ignore_errors=True)
