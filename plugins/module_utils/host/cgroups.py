# SPDX-License-Identifier: GPL-3.0-or-later
"""Cgroups of VMs and of the slices around them: what the kernel has, and setting it (cgroup v2).

Paths are below the root of all: `/machine.slice/machine-qemu\\x2d1\\x2dweb.scope`. Where systemd
runs a value is set by a property of its unit: what is written into a file of the kernel's beside it
does not last. Also installed on hosts for libvirt's hook: only what is quick to import.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from .capacity import SYSTEM, Places, cpu_list, text_of

UNLIMITED = "max"
ALL_OF_IT = 1 << 63  # what the kernel writes as max
PAGE = os.sysconf("SC_PAGE_SIZE")  # bytes; the kernel counts memory in pages
# The level of a VM: of systemd, and where libvirt makes it itself.
OF_VM = (".scope", ".libvirt-qemu")
TIMEOUT = "--timeout=20"  # seconds; a guest waits meanwhile
# Of a slice's CPU and memory, what nobody here sets: unlimited is what it is.
AS_THEY_ARE = ("CPUQuotaPeriodUSec", "MemoryZSwapMax")


class Held(NamedTuple):
    """What a cgroup is granted, or is to be. None: nothing is said of it.

    The kernel says nothing where the cgroup around it does not share that out.
    """

    weight: int | None = None  # of processor time, among siblings
    minimum: int | None = None  # bytes that are not reclaimed
    cpus: tuple[int, ...] | None = None  # the processors that it may use


FILES = {"weight": "cpu.weight", "minimum": "memory.min", "cpus": "cpuset.cpus"}  # in order


def version(places: Places = SYSTEM) -> int:
    """2 or 1 (also for the hybrid layout), 0 where no cgroups are mounted."""
    if os.path.exists(f"{places.cgroup}/cgroup.controllers"):
        return 2
    return 1 if os.path.isdir(f"{places.cgroup}/cpu") else 0


def has_systemd(places: Places = SYSTEM) -> bool:
    """Whether systemd runs here, so that cgroups are its own."""
    return os.path.isdir(places.systemd)


def found_scope(places: Places, pid: int | str) -> str:
    """The cgroup of a VM by its QEMU process; empty where the process or the level is not there.

    QEMU itself is in levels of libvirt's below it.
    """
    for line in text_of(f"{places.proc}/{pid}/cgroup").splitlines():
        hierarchy, _colon, path = line.partition("::")
        parts = path.split("/")
        levels = [place for place, part in enumerate(parts) if part.endswith(OF_VM)]
        if hierarchy == "0" and levels:
            return "/".join(parts[: levels[0] + 1])
    return ""


def scope_of_vm(places: Places, name: str) -> str:
    """The cgroup of a running VM by its name, through libvirt's PID file."""
    pid = text_of(f"{places.pid_files}/{name}.pid").strip()
    return found_scope(places, pid) if pid else ""


def exists(places: Places, path: str) -> bool:
    """Whether there is such a cgroup."""
    return os.path.isdir(places.cgroup + path)


def parents_of(path: str) -> list[str]:
    """The cgroups around one, the outermost first."""
    parts = path.split("/")
    return ["/".join(parts[:deep]) for deep in range(2, len(parts))]


def held(places: Places, path: str) -> Held:
    """What the kernel has for a cgroup."""
    folder = places.cgroup + path
    weight, minimum = (
        text_of(f"{folder}/cpu.weight").strip(),
        text_of(f"{folder}/memory.min").strip(),
    )
    return Held(
        int(weight) if weight else None,
        ALL_OF_IT if minimum == UNLIMITED else int(minimum) if minimum else None,
        cpu_list(text_of(f"{folder}/cpuset.cpus")) or None,
    )


def put(places: Places, path: str, wanted: Held) -> str:
    """Have a cgroup be granted that, until the next boot; why it could not be, or nothing.

    That nothing is said does not mean that the kernel has it: read it back.
    """
    if not has_systemd(places):
        return _written(places.cgroup + path, wanted)
    return _set(places, path, _properties(wanted))


def renew(places: Places, path: str) -> None:
    """Have a slice be granted what its unit file says by now.

    systemd 257 reads files anew and leaves a cgroup as it was, until something of the slice is set:
    these are as they were. An older one does not know all of them, and needs none.
    """
    if has_systemd(places):
        _set(places, path, [(name, "t", str(2**64 - 1)) for name in AS_THEY_ARE])


def _set(places: Places, path: str, properties: list[tuple[str, ...]]) -> str:
    """Set properties of a unit until the next boot; why they could not be, or nothing."""
    manager = ("org.freedesktop.systemd1", "/org/freedesktop/systemd1")
    call = ("busctl", TIMEOUT, "--quiet", "call", *manager, f"{manager[0]}.Manager")
    # systemctl takes names with \x2d for patterns, and succeeds where one matches nothing.
    how = ("SetUnitProperties", "sba(sv)", path.rpartition("/")[2], "true", str(len(properties)))
    return places.run((*call, *how, *(word for one in properties for word in one)))


def _properties(wanted: Held) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    if wanted.weight is not None:
        found.append(("CPUWeight", "t", str(wanted.weight)))
    if wanted.minimum is not None:
        found.append(("MemoryMin", "t", str(wanted.minimum)))
    if wanted.cpus is not None:
        bits = sum(1 << cpu for cpu in wanted.cpus)
        mask = bits.to_bytes(max(1, (bits.bit_length() + 7) // 8), "little")
        found.append(("AllowedCPUs", "ay", str(len(mask)), *map(str, mask)))
    return found


def _written(folder: str, wanted: Held) -> str:
    """Without systemd nobody takes back what is written."""
    cpus = None if wanted.cpus is None else ",".join(map(str, wanted.cpus))
    values = {"cpu.weight": wanted.weight, "memory.min": wanted.minimum, "cpuset.cpus": cpus}
    for file, value in values.items():
        if value is not None:
            try:
                with open(f"{folder}/{file}", "w", encoding="ascii") as stream:
                    stream.write(str(value))
            except OSError as error:
                return f"{file}: {error.strerror}"
    return ""
