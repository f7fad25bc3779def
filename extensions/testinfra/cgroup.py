# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""host.cgroup_of_vm("web"): what the kernel grants a running VM (cgroup v2)."""

from __future__ import annotations

from pathlib import PurePosixPath

from testinfra.modules.base import Module

CGROUP_ROOT = "/sys/fs/cgroup"
PID_FILES = "/run/libvirt/qemu"
UNLIMITED = "max"


class CgroupOfVm(Module):
    """The cgroup of a running VM of qemu:///system, whose PID file leads to it

    >>> host.cgroup_of_vm("web").cpu_weight
    200
    >>> host.cgroup_of_vm("web").memory_max_bytes
    1073741824
    """

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__()

    @property
    def exists(self) -> bool:
        return bool(self._process_cgroup())

    @property
    def path(self) -> str:
        """The directory of the VM's systemd scope, or of its cgroup where there is no systemd."""
        found = self._process_cgroup()
        if not found:
            raise AssertionError(f"{self.name} does not run: it has no cgroup")
        return CGROUP_ROOT + vm_cgroup(found)

    def value(self, file: str) -> str:
        """The content of a control file below the scope, such as libvirt/vcpu0/cpu.max."""
        return str(self.check_output("cat %s", f"{self.path}/{file}"))

    @property
    def cpu_weight(self) -> int:
        return int(self.value("cpu.weight"))

    @property
    def memory_min_bytes(self) -> int:
        """What the kernel does not take away, even when memory is short."""
        return int(self.value("memory.min"))

    @property
    def memory_max_bytes(self) -> int | None:
        """The limit; None is no limit. libvirt sets it on its own level below the scope."""
        return _limit(self.value("libvirt/memory.max"))

    def cpu_limit(self, vcpu: int = 0) -> float | None:
        """How many processors' time that virtual CPU may use; None is no limit."""
        return parse_cpu_max(self.value(f"libvirt/vcpu{vcpu}/cpu.max"))

    def _process_cgroup(self) -> str:
        """The cgroup of the VM's QEMU process, as the kernel tells it; empty if it does not run."""
        pid_file = f"{PID_FILES}/{self.name}.pid"
        done = self.run("cat /proc/$(cat %s)/cgroup", pid_file)
        return parse_cgroup(done.stdout) if done.rc == 0 else ""


def parse_cgroup(text: str) -> str:
    """The path in the one line of cgroup v2, 0::PATH."""
    for line in text.splitlines():
        hierarchy, _colon, path = line.partition("::")
        if hierarchy == "0":
            return path
    return ""


def vm_cgroup(path: str) -> str:
    """The VM's own level: libvirt puts the process below it, in libvirt/emulator or libvirt."""
    parts = PurePosixPath(path).parts
    return str(PurePosixPath(*parts[: parts.index("libvirt")])) if "libvirt" in parts else path


def parse_cpu_max(text: str) -> float | None:
    """The quota and period of cpu.max as a number of processors."""
    quota, period = text.split()
    return None if quota == UNLIMITED else int(quota) / int(period)


def _limit(text: str) -> int | None:
    return None if text == UNLIMITED else int(text)
