# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes of this machine, as facts: who has files open, who serves libvirt's networks."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from ..engine.host import Daemon
from .files import read_place

PROC = Path("/proc")
# libvirt's own processes, and the VMs of which its definitions tell.
OF_LIBVIRT = ("libvirtd", "virtqemud", "virtstoraged", "virtlogd")
OF_VM = b"guest="
QEMU = "qemu-"  # also reads for clients
NO_IMAGES = ("/dev/", "/proc/", "/sys/")

RUN, STATE = "/run/libvirt/network", "/var/lib/libvirt"


# ---- open files


def read_open_files() -> dict[str, list[str]]:
    """What processes without libvirt write to, or hand out, and loop devices show: by place.

    qemu-nbd and qemu-storage-daemon write to images for clients elsewhere. A file that is removed
    goes on as long as they run, and with the last of them what was written is lost.
    """
    users: dict[str, list[str]] = {}
    for process in _entries(PROC):
        if process.name.isdigit():
            for descriptor in _opened(process):
                said = f"{_name(process)} (process {process.name})"
                users.setdefault(read_place(str(descriptor)), []).append(said)
    for file in Path("/sys/block").glob("loop*/loop/backing_file"):
        device = f"the loop device /dev/{file.parents[1].name}"
        users.setdefault(read_place(_text(file).rstrip("\n")), []).append(device)
    return users


def _opened(process: Path) -> Iterator[Path]:
    """The descriptors of a process, if it is none that libvirt tells of, that count."""
    files = [one for one in _entries(process / "fd") if _may_be_image(_link(one))]
    if not files or _name(process) in OF_LIBVIRT or OF_VM in _bytes(process / "cmdline"):
        return
    hands_out = _name(process).startswith(QEMU)
    for one in files:
        if hands_out or _writes(process / "fdinfo" / one.name):
            yield one


def _may_be_image(path: str) -> bool:
    return path.startswith("/") and not path.startswith(NO_IMAGES)


def _writes(about: Path) -> bool:
    flags = [line.split()[1] for line in _text(about).splitlines() if line.startswith("flags:")]
    return any(int(one, 8) & os.O_ACCMODE for one in flags)


# ---- daemons of networks


def read_network_daemons() -> list[Daemon]:
    """All that serve a network of libvirt to this machine."""
    numbers = (int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit())
    return sorted(_daemons(numbers))


def read_noted_daemons(network: str) -> list[Daemon]:
    """Those that serve one network, by the processes that they have noted themselves."""
    noted = []
    for file in (f"{network}.pid", f"{network}-radvd.pid"):
        with suppress(ValueError):
            noted.append(int(_text(Path(RUN, file))))
    return sorted(one for one in _daemons(noted) if one.network == network)


def _daemons(processes: Iterable[int]) -> Iterator[Daemon]:
    for process in processes:
        command = _text(PROC / str(process) / "cmdline").split("\0")
        program = Path(command[0]).name
        network = _served(program, command[1:])
        if network and _is_in_our_network(process):
            yield Daemon(program, process, network)


def _served(program: str, arguments: Iterable[str]) -> str:
    """The network that a daemon of libvirt serves, by its configuration file."""
    before, after = {
        "dnsmasq": (f"--conf-file={STATE}/dnsmasq/", ".conf"),
        "radvd": (f"{STATE}/radvd/", "-radvd.conf"),
    }.get(program, ("", ""))
    told = (one for one in arguments if before and one.startswith(before) and one.endswith(after))
    return next((one[len(before) : -len(after)] for one in told), "")


def _is_in_our_network(process: int) -> bool:
    """Whether its interfaces are ours, and not those of a container."""
    ours = _link(PROC / "self/ns/net")
    return bool(ours) and _link(PROC / str(process) / "ns/net") == ours


def runs(process: int) -> bool:
    """Whether a process runs; what ended and is a zombie has no command."""
    return bool(_bytes(PROC / str(process) / "cmdline"))


# ---- what /proc says


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
