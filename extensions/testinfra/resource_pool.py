# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""host.resource_pool("gold"): a systemd slice below machine.slice, and its cgroup."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import NamedTuple

from .cgroup import PID_FILES, vm_cgroup
from .control_group import CGROUP_ROOT, ControlGroup

DEFAULT_WEIGHT = 100
SETTINGS = ("CPUWeight", "CPUQuotaPerSecUSec", "MemoryMin", "MemoryLow", "MemoryMax")
SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
PIDS = r"""for file in %s/*.pid; do
  [ -e "$file" ] && echo "$(basename "$file" .pid) $(grep ^0:: "/proc/$(cat "$file")/cgroup")"
done 2>/dev/null; true"""


class PoolSettings(NamedTuple):
    """What systemd has for a slice, from its unit file and all that adds to that."""

    cpu_weight: int
    cpu_max: float | None
    memory_min_bytes: int
    memory_low_bytes: int
    memory_max_bytes: int | None


class ResourcePool(ControlGroup):
    """A resource pool, by its name or, of one inside of another, by its path

    What the kernel enforces is there while the slice is active, as it is from the start of the
    first VM in it on. What the unit says is in `declared`.

    >>> host.resource_pool("gold").cpu_weight
    200
    >>> host.resource_pool("gold/inner").declared.memory_min_bytes
    1073741824
    >>> host.resource_pool("gold").members
    ['db', 'web']
    """

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__()

    def __repr__(self) -> str:
        return f"<ResourcePool {self.name}>"

    @property
    def unit(self) -> str:
        """The name of its unit."""
        return slices(self.name)[-1]

    @property
    def exists(self) -> bool:
        """Whether it has a unit file: systemd makes a slice without limits for any other name."""
        return bool(self._properties("FragmentPath")["FragmentPath"])

    @property
    def is_active(self) -> bool:
        """Whether the slice has a cgroup."""
        return self.run("test -d %s", self._folder).rc == 0

    @property
    def path(self) -> str:
        """The directory of its cgroup."""
        if not self.is_active:
            raise AssertionError(f"{self.unit} is not active: it has no cgroup")
        return self._folder

    @property
    def declared(self) -> PoolSettings:
        """What systemd will have the kernel enforce."""
        return parse_settings(self._properties(*SETTINGS))

    @property
    def members(self) -> list[str]:
        """The running VMs of qemu:///system that are in it, and in no other pool inside of it."""
        listed = self.check_output("sh -c %s", PIDS % PID_FILES)
        return members(listed, self._folder.removeprefix(CGROUP_ROOT))

    @property
    def _folder(self) -> str:
        return "/".join([CGROUP_ROOT, "machine.slice", *slices(self.name)])

    def _properties(self, *names: str) -> dict[str, str]:
        told = self.check_output("systemctl show -p %s -- %s", ",".join(names), self.unit)
        return dict(line.split("=", 1) for line in told.splitlines())


def slices(path: str) -> list[str]:
    """The units of a pool and of those around it, the outermost first."""
    names = [escaped(name) for name in path.split("/")]
    return [f"machine-{'-'.join(names[: depth + 1])}.slice" for depth in range(len(names))]


def escaped(name: str) -> str:
    """A name as systemd has it in a unit's (systemd-escape)."""
    quoted = (f"\\x{byte:02x}" if byte > 127 else _escaped(chr(byte)) for byte in name.encode())
    return re.sub(r"^\.", r"\\x2e", "".join(quoted))


def _escaped(letter: str) -> str:
    return letter if re.fullmatch(r"[A-Za-z0-9:_.]", letter) else f"\\x{ord(letter):02x}"


def parse_settings(shown: dict[str, str]) -> PoolSettings:
    """The properties that systemctl shows, of which those that nobody set are 0 or infinity."""
    memory_max = shown["MemoryMax"]
    weight = shown["CPUWeight"]
    return PoolSettings(
        cpu_weight=int(weight) if weight.isdigit() else DEFAULT_WEIGHT,
        cpu_max=parse_time_span(shown["CPUQuotaPerSecUSec"]),
        memory_min_bytes=int(shown["MemoryMin"]),
        memory_low_bytes=int(shown["MemoryLow"]),
        memory_max_bytes=int(memory_max) if memory_max.isdigit() else None,
    )


def parse_time_span(text: str) -> float | None:
    """Seconds in systemd's words, such as 1min 4s, 1.500000s or 500ms; None is infinity."""
    parts = re.findall(r"([0-9.]+)([a-z]+)", text)
    if not parts:
        return None
    return round(sum(float(number) * SECONDS[unit] for number, unit in parts), 6)


def members(listed: str, cgroup: str) -> list[str]:
    """The names in lines of NAME 0::CGROUP whose VM's own cgroup is in that one."""
    found = (line.rpartition(" 0::") for line in listed.splitlines())
    around = {name: PurePosixPath(vm_cgroup(path)).parent for name, _colons, path in found}
    return sorted(name for name, folder in around.items() if str(folder) == cgroup)
