# SPDX-License-Identifier: GPL-3.0-or-later
"""How a resource pool is called by systemd, and how by libvirt.

A pool is known by its path: `gold/inner` is the pool `inner` in the pool `gold`. Its slice is what
libvirt makes of the partition `/machine/gold/inner` (virSystemdMakeSliceName).
"""

from __future__ import annotations

import re

from .paths import above

PREFIX, SUFFIX = "machine-", ".slice"
ROOT = "machine.slice"
LONGEST_UNIT = 255
# libvirt writes others into the name of a slice too, but an operator has to type it.
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


def unit_of(path: str) -> str:
    """The slice of a pool: `machine-gold-inner.slice`."""
    return f"{PREFIX}{'-'.join(_escaped(name) for name in path.split('/'))}{SUFFIX}"


def path_of(unit: str) -> str:
    """The pool that a slice is; empty of what is none below machine.slice."""
    if not (unit.startswith(PREFIX) and unit.endswith(SUFFIX)):
        return ""
    names = [_unescaped(name) for name in unit[len(PREFIX) : -len(SUFFIX)].split("-")]
    return "/".join(names) if all(names) and not any("/" in name for name in names) else ""


def cgroup_of(path: str) -> str:
    """Where the kernel has a pool, below the root of all cgroups."""
    return "/".join([ROOT, *map(unit_of, above(path))])


def _escaped(name: str) -> str:
    kept = re.sub(rb"[^A-Za-z0-9:_.]", _code, name.encode())
    first = b"\\x2e" + kept[1:] if kept.startswith(b".") else kept
    return first.decode()


def _code(found: re.Match[bytes]) -> bytes:
    return f"\\x{ord(found[0]):02x}".encode()


def _unescaped(name: str) -> str:
    found = re.sub(
        rb"\\x([0-9a-fA-F]{2})",
        lambda code: bytes([int(code[1], 16)]),
        name.encode(errors="surrogateescape"),
    )
    return found.decode(errors="replace")
