# SPDX-License-Identifier: GPL-3.0-or-later
"""What a move asks of a machine and libvirt does not tell: clock, kernel, addresses, mounts.

Of another machine only the first three are looked at, and only where ssh leads to it without a
question.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from ..engine.move_facts import Clock, Mount
from .connection import Host

ROOT = Path("/")
MOUNTS = "proc/self/mountinfo"
# File systems of which another host can have the same one.
OF_OTHERS = (
    *("nfs", "nfs4", "cifs", "smb3", "ceph", "fuse.ceph", "glusterfs", "fuse.glusterfs"),
    *("gfs2", "ocfs2", "gpfs", "lustre", "virtiofs", "9p"),
)
SSH_TIMEOUT_S = 10
SSH = ("qemu+ssh", "qemu+libssh2", "qemu+libssh")


def read_mounts(host: Host, root: Path = ROOT) -> list[Mount] | None:
    """What this machine has mounted that others may have, too."""
    if not host.is_local:
        return None
    try:
        lines = (root / MOUNTS).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    return sorted(mount for mount in map(_mount, lines) if mount.type in OF_OTHERS)


def _mount(line: str) -> Mount:
    """A line of mountinfo(5): what is mounted comes after a dash."""
    before, _dash, after = line.partition(" - ")
    places, named = before.split(" "), after.split(" ")
    inside = _unescaped(places[3]) if len(places) > 4 else "/"
    source = _unescaped(named[1]) if len(named) > 1 else ""
    # A bind mount, or a folder of an export, is a part of what is mounted.
    whole = source if inside == "/" else f"{source.rstrip('/')}{inside}"
    return Mount(_unescaped(places[4]) if len(places) > 4 else "", named[0], whole)


def _unescaped(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found.group(1), 8)), text)


# ---- the clock


def read_clock(host: Host) -> Clock | None:
    """A clock beside this machine's own. libvirt tells none (11.3), so ssh has to."""
    here = socket.gethostname()
    if host.is_local:
        return Clock(0.0, 0.0, here)
    command = ssh_command(host.uri, "date", "+%s.%N")
    return _asked(command, here) if command else None


def ssh_command(uri: str, *words: str) -> list[str]:
    """How a program is run there, in the way by which libvirt reaches it; nothing if not."""
    parts = urlsplit(uri)
    if parts.scheme not in SSH or not parts.hostname:
        return []
    said = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    command = [said.get("command", "ssh"), "-o", "BatchMode=yes"]
    command += ["-o", f"ConnectTimeout={SSH_TIMEOUT_S}", "-T"]
    if said.get("no_verify") == "1":
        command += ["-o", "StrictHostKeyChecking=no"]
    for option, flag in (("keyfile", "-i"),):
        command += [flag, said[option]] if option in said else []
    command += ["-p", str(parts.port)] if parts.port else []
    command += ["-l", parts.username] if parts.username else []
    return [*command, "--", parts.hostname, *words]


def _asked(command: list[str], here: str) -> Clock | None:
    """The answer counts as given in the middle of the time that it took."""
    before = time.time()
    try:
        there = float(_said(command) or "")
    except ValueError:
        return None
    after = time.time()
    half = (after - before) / 2
    return Clock(round(there - before - half, 3), round(half, 3), here)


def _said(command: list[str]) -> str | None:
    """What a program says; None where it cannot be run, fails or takes too long."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=2 * SSH_TIMEOUT_S,
            check=False,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


# ---- the kernel


def read_kernel(host: Host) -> str | None:
    """The release of its kernel. libvirt does not tell it (11.3), so ssh has to."""
    if host.is_local:
        return os.uname().release
    command = ssh_command(host.uri, "uname", "-r")
    return (_said(command) or None) if command else None


# ---- addresses

IP = ("ip", "-json", "address")


def read_addresses(host: Host) -> dict[str, list[str]] | None:
    """The addresses of each interface, but those that only the machine itself or its link has."""
    command = list(IP) if host.is_local else ssh_command(host.uri, *IP)
    said = _said(command) if command else None
    try:
        told = json.loads(said) if said else None
    except ValueError:
        return None
    if not isinstance(told, list):
        return None
    return {
        one["ifname"]: [
            address["local"]
            for address in one.get("addr_info", ())
            if address.get("scope") == "global" and address.get("local")
        ]
        for one in told
        if one.get("ifname")
    }
