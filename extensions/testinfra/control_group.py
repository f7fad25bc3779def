# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control files of a cgroup (v2), and what the kernel writes in them."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from testinfra.modules.base import Module

CGROUP_ROOT = "/sys/fs/cgroup"
UNLIMITED = "max"


class ControlGroup(Module):
    """A cgroup that somebody finds: what the kernel enforces in it and has counted of it."""

    @property
    def path(self) -> str:
        """Its directory; the test fails where there is none."""
        raise NotImplementedError

    def value(self, file: str) -> str:
        """The content of a control file below the directory, such as cpu.weight."""
        return str(self.check_output("cat %s", f"{self.path}/{file}"))

    @property
    def cpu_weight(self) -> int:
        return int(self.value("cpu.weight"))

    @property
    def cpu_max(self) -> float | None:
        """How many processors' time all in it together may use; None is no limit."""
        return parse_cpu_max(self.value("cpu.max"))

    @property
    def cpu_usage_us(self) -> int:
        """The processors' time that it has used, in microseconds; take the difference of two."""
        return parse_flat(self.value("cpu.stat"))["usage_usec"]

    @property
    def allowed_cpus(self) -> list[int]:
        """The processors on which it may run, as the kernel has reckoned it from all above it."""
        return self._cpus(self.path)

    @property
    def memory_min_bytes(self) -> int:
        """What the kernel does not take away, if all above it have as much of it."""
        return int(self.value("memory.min"))

    @property
    def memory_low_bytes(self) -> int:
        """What the kernel takes away last."""
        return int(self.value("memory.low"))

    @property
    def memory_max_bytes(self) -> int | None:
        """The limit; None is no limit."""
        return parse_limit(self.value("memory.max"))

    @property
    def memory_current_bytes(self) -> int:
        """What it has of the host's memory, without huge pages and without what is merged."""
        return int(self.value("memory.current"))

    @property
    def memory_swap_bytes(self) -> int:
        return int(self.value("memory.swap.current"))

    @property
    def ancestors_memory_min_bytes(self) -> dict[str, int]:
        """memory.min of each cgroup above it, by its name, the outermost first.

        >>> host.cgroup_of_vm("web").ancestors_memory_min_bytes
        {'machine.slice': 2147483648, 'machine-gold.slice': 2147483648}
        """
        return {
            PurePosixPath(folder).name: int(self.check_output("cat %s", f"{folder}/memory.min"))
            for folder in ancestors(self.path)
        }

    def pressure(self, resource: str) -> dict[str, float]:
        """How long what is in it waited for cpu, memory or io.

        >>> host.cgroup_of_vm("web").pressure("cpu")["some_avg10"]
        23.5
        """
        return parse_pressure(self.value(f"{resource}.pressure"))

    def _cpus(self, folder: str) -> list[int]:
        """Of that cgroup, or of the next above it that has a say in it."""
        for each in [folder, *reversed(ancestors(folder)), CGROUP_ROOT]:
            done = self.run("cat %s", f"{each}/cpuset.cpus.effective")
            if done.rc == 0:
                return parse_cpus(done.stdout)
        raise AssertionError(f"{folder}: no cgroup says on which processors it may run")


def ancestors(path: str) -> list[str]:
    """The directories of all cgroups above that one but the root, which has no limits."""
    above = reversed(PurePosixPath(path).parents)
    return [str(each) for each in above if PurePosixPath(CGROUP_ROOT) in each.parents]


def parse_limit(text: str) -> int | None:
    return None if text.strip() == UNLIMITED else int(text)


def parse_cpu_max(text: str) -> float | None:
    """The quota and period of cpu.max as a number of processors."""
    quota, period = text.split()
    return None if quota == UNLIMITED else int(quota) / int(period)


def parse_flat(text: str) -> dict[str, int]:
    """The lines of a name and a number, as in cpu.stat and memory.stat."""
    return {name: int(number) for name, number in map(str.split, text.splitlines())}


def parse_cpus(text: str) -> list[int]:
    """The kernel's lists of processors: 0-3,8."""
    ranges = re.findall(r"(\d+)(?:-(\d+))?", text)
    return [cpu for first, last in ranges for cpu in range(int(first), int(last or first) + 1)]


def parse_pressure(text: str) -> dict[str, float]:
    """The lines of a pressure file: some avg10=0.00 avg60=0.00 avg300=0.00 total=0."""
    lines = [line.split() for line in text.splitlines()]
    pairs = [(line[0], *pair.split("=")) for line in lines for pair in line[1:]]
    return {f"{who}_{name}": float(number) for who, name, number in pairs}


def tightest(limits: list[float | None]) -> float | None:
    """What holds of several limits, of which None is none."""
    return min((limit for limit in limits if limit is not None), default=None)
