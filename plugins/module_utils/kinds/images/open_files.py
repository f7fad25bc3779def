# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who on this machine has an image in use without libvirt: exports and loop devices.

qemu-nbd and qemu-storage-daemon write to images for clients elsewhere. A file that is removed goes
on as long as they run, and with the last of them what was written is lost.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from .chains import Chains

PROC = Path("/proc")
# libvirt's own processes, and the VMs of which its definitions tell.
OF_LIBVIRT = ("libvirtd", "virtqemud", "virtstoraged", "virtlogd")
OF_VM = b"guest="
QEMU = "qemu-"  # also reads for clients


class OpenFiles:
    """The files that processes have open, looked at once, and loop devices."""

    def __init__(self, chains: Chains) -> None:
        self.chains = chains

    def users_of(self, path: str) -> Iterator[str]:
        """What uses a file, as an error calls it; nothing of another machine's file."""
        is_file = path.startswith("/") and not path.startswith("/dev/")
        if not self.chains.world.host.is_local or not is_file:
            return
        place = self.chains.place(path)
        for process, descriptor in self._by_name.get(Path(os.path.realpath(path)).name, ()):
            if self.chains.place(str(descriptor)) == place and _counts(process, descriptor):
                yield f"{_name(process)} (process {process.name})"
        for device, file in self._loops:
            if self.chains.place(file) == place:
                yield f"the loop device {device}"

    @cached_property
    def _by_name(self) -> dict[str, list[tuple[Path, Path]]]:
        """Processes with their descriptors, by the name that a file had when it was opened."""
        by_name: dict[str, list[tuple[Path, Path]]] = {}
        for process in PROC.iterdir():
            for descriptor in _entries(process / "fd") if process.name.isdigit() else ():
                link = _link(descriptor)
                if link.startswith("/"):
                    by_name.setdefault(Path(link).name, []).append((process, descriptor))
        return by_name

    @cached_property
    def _loops(self) -> list[tuple[str, str]]:
        files = Path("/sys/block").glob("loop*/loop/backing_file")
        return [(f"/dev/{file.parents[1].name}", _text(file).rstrip("\n")) for file in files]


def _counts(process: Path, descriptor: Path) -> bool:
    """Whether a process is none that libvirt tells of, and writes, or hands out what it reads."""
    name = _name(process)
    if name in OF_LIBVIRT or OF_VM in _bytes(process / "cmdline"):
        return False
    return name.startswith(QEMU) or _writes(process / "fdinfo" / descriptor.name)


def _writes(about: Path) -> bool:
    flags = [line.split()[1] for line in _text(about).splitlines() if line.startswith("flags:")]
    return any(int(one, 8) & os.O_ACCMODE for one in flags)


def _name(process: Path) -> str:
    return _text(process / "comm").strip()


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:  # it has ended, or is another user's
        return []


def _link(file: Path) -> str:
    try:
        return str(file.readlink())
    except OSError:
        return ""


def _text(file: Path) -> str:
    return _bytes(file).decode(errors="replace")


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""
