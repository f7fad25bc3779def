"""What is read from a machine: from a made-up root, and from sockets that really listen."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.information import host_facts

CPUINFO = """\
processor\t: 0
vendor_id\t: GenuineIntel
model name\t: Xeon
flags\t\t: fpu vmx

processor\t: 1
vendor_id\t: GenuineIntel
model name\t: Xeon
flags\t\t: fpu vmx
"""


def put(root: Path, path: str, text: str = "") -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def test_cpu_counts_cores_by_package(tmp_path: Path) -> None:
    put(tmp_path, "proc/cpuinfo", CPUINFO)
    for cpu, (package, core) in {"cpu0": ("0", "0"), "cpu1": ("1", "0")}.items():
        topology = f"sys/devices/system/cpu/{cpu}/topology"
        put(tmp_path, f"{topology}/physical_package_id", package)
        put(tmp_path, f"{topology}/core_id", core)
    assert host_facts.cpu(tmp_path) == {
        "vendor": "GenuineIntel",
        "model": "Xeon",
        "sockets": 2,
        "cores": 2,
        "threads": 2,
        "virtualisation": "vmx",
    }


def test_memory(tmp_path: Path) -> None:
    put(tmp_path, "proc/meminfo", "MemTotal:       2048000 kB\nMemFree: 1 kB\n")
    assert host_facts.memory_mib(tmp_path) == 2000


@pytest.mark.parametrize(
    ("path", "version"),
    [("cgroup.controllers", 2), ("cpu/tasks", 1), ("unified/cgroup.controllers", None)],
)
def test_cgroup_version(tmp_path: Path, path: str, version: int | None) -> None:
    put(tmp_path, f"sys/fs/cgroup/{path}")
    assert host_facts.cgroup_version(tmp_path) == version


@pytest.mark.parametrize(
    ("module", "value", "expected"),
    [("kvm_amd", "1\n", True), ("kvm_intel", "Y\n", True), ("kvm_intel", "N\n", False)],
)
def test_nested(tmp_path: Path, module: str, value: str, expected: bool) -> None:
    assert host_facts.nested(tmp_path) is None
    put(tmp_path, f"sys/module/{module}/parameters/nested", value)
    assert host_facts.nested(tmp_path) is expected


def test_iommu(tmp_path: Path) -> None:
    assert not host_facts.iommu(tmp_path)
    put(tmp_path, "sys/kernel/iommu_groups/0/type")
    assert host_facts.iommu(tmp_path)


def test_systemd_counts_only_where_it_runs(tmp_path: Path) -> None:
    put(tmp_path, "usr/lib/systemd/systemd")
    assert host_facts.service_manager(tmp_path) == "none"
    put(tmp_path, "run/systemd/system/x")
    assert host_facts.service_manager(tmp_path) == "systemd"


@pytest.mark.parametrize(
    ("running", "mode"),
    [
        ({"libvirtd": 1}, "monolithic"),
        ({"virtqemud": 1, "virtproxyd": 2}, "modular"),
        ({"virtlogd": 1}, None),
    ],
)
def test_daemons_mode(running: dict[str, int | None], mode: str | None) -> None:
    assert host_facts.daemons_mode(running) == mode


def test_a_socket_counts_only_while_somebody_listens(tmp_path: Path) -> None:
    path = tmp_path / "sock"
    assert host_facts.listener(path) is None
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        assert host_facts.listener(path) == os.getpid()
    assert path.is_socket()
    assert host_facts.listener(path) is None


def test_a_daemon_is_known_by_its_process_not_by_its_socket(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "libvirt-sock"))
        server.listen()
        assert host_facts.running_daemons("none", tmp_path) == {}


def test_packages_that_no_distribution_has_are_missing() -> None:
    assert host_facts.missing_packages(["no-such-package"]) == ["no-such-package"]


def test_program_version(tmp_path: Path) -> None:
    program = tmp_path / "qemu"
    program.write_text("#!/bin/sh\necho 'QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7)'\n")
    program.chmod(0o755)
    assert host_facts.program_version(str(program)) == "7.2.22"
    assert host_facts.program_version(None) is None
    assert host_facts.program_version(str(tmp_path / "none")) is None
