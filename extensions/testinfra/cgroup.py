# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""host.cgroup_of_vm("web"): what the kernel grants a running VM (cgroup v2)."""

from __future__ import annotations

from pathlib import PurePosixPath

from .control_group import CGROUP_ROOT, ControlGroup, parse_cpu_max, parse_limit, tightest
from .virsh import parse_info

PID_FILES = "/run/libvirt/qemu"
KIB = 1024


class CgroupOfVm(ControlGroup):
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

    # ---- what libvirt sets on its own level, below the scope; both levels hold

    @property
    def cpu_max(self) -> float | None:
        """How many processors' time the VM may use, its emulator with it; None is no limit."""
        return tightest([super().cpu_max, parse_cpu_max(self.value("libvirt/cpu.max"))])

    @property
    def memory_max_bytes(self) -> int | None:
        """The limit; None is no limit."""
        found = tightest([super().memory_max_bytes, parse_limit(self.value("libvirt/memory.max"))])
        return None if found is None else int(found)

    def cpu_limit(self, vcpu: int = 0) -> float | None:
        """How many processors' time that virtual CPU may use; None is no limit."""
        return parse_cpu_max(self.value(f"libvirt/vcpu{vcpu}/cpu.max"))

    def vcpu_cpus(self, vcpu: int) -> list[int]:
        """The processors on which that virtual CPU may run."""
        return self._cpus(f"{self.path}/libvirt/vcpu{vcpu}")

    @property
    def emulator_cpus(self) -> list[int]:
        """The processors on which the emulator's own threads may run."""
        return self._cpus(f"{self.path}/libvirt/emulator")

    def iothread_cpus(self, iothread: int) -> list[int]:
        """The processors on which that I/O thread may run; libvirt counts them from 1."""
        return self._cpus(f"{self.path}/libvirt/iothread{iothread}")

    # ---- the process

    @property
    def pid(self) -> int:
        """Of QEMU."""
        return int(self.check_output("cat %s", f"{PID_FILES}/{self.name}.pid"))

    @property
    def resident_bytes(self) -> int:
        """What QEMU has in memory now; pages that are merged with others' count too."""
        return self._process_memory("VmRSS")

    @property
    def locked_bytes(self) -> int:
        """What QEMU has locked, so that it is never swapped out."""
        return self._process_memory("VmLck")

    def _process_memory(self, name: str) -> int:
        status = self.check_output("cat %s", f"/proc/{self.pid}/status")
        return int(parse_info(status)[name.lower()].removesuffix("kB")) * KIB

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
