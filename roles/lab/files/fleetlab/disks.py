# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The disks of lab hosts: overlays on their image, and empty ones."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from . import qemu
from .declaration import Host
from .errors import LabError
from .home import Home
from .image import Image


def make(directory: Path, host: Host, built: Image) -> None:
    base = ["-F", "raw", "-b", str(built.disk)]
    _qemu_img(["create", "-q", "-f", "qcow2", *base, str(directory / qemu.ROOT_DISK)])
    for disk in host.disks:
        path = directory / qemu.disk_file(disk)
        _qemu_img(["create", "-q", "-f", "qcow2", str(path), f"{disk.size_mib}M"])


def images_in_use(home: Home) -> set[str]:
    """The keys of the images below the disks of all labs, read from the disks themselves."""
    found = set()
    for disk in home.labs.glob(f"*/*/{qemu.ROOT_DISK}"):
        information = json.loads(_qemu_img(["info", "-U", "--output=json", str(disk)]))
        found.add(Path(information["backing-filename"]).parent.name)
    return found


def _qemu_img(arguments: list[str]) -> str:
    done = subprocess.run(
        ["qemu-img", *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    if done.returncode != 0:
        raise LabError(f"qemu-img failed: {done.stderr.strip()}")
    return done.stdout
