"""The testinfra modules' reading of cgroups, of VMs and of resource pools."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from testinfra.host import Host

from ansible_collections.kvm.fleet.extensions import testinfra as modules
from ansible_collections.kvm.fleet.extensions.testinfra import control_group, resource_pool
from ansible_collections.kvm.fleet.extensions.testinfra.cgroup import CgroupOfVm
from ansible_collections.kvm.fleet.extensions.testinfra.resource_pool import (
    PoolSettings,
    ResourcePool,
)

ROOT = "/sys/fs/cgroup"
GOLD = f"{ROOT}/machine.slice/machine-gold.slice"
SCOPE = f"{GOLD}/machine-qemu\\x2d1\\x2dweb.scope"
PRESSURE = (
    "some avg10=23.50 avg60=2.39 avg300=1.42 total=2257\n"
    "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"
)
FILES = {
    "/run/libvirt/qemu/web.pid": "4711\n",
    "/proc/4711/cgroup": f"0::{SCOPE.removeprefix(ROOT)}/libvirt/emulator\n",
    "/proc/4711/status": "Name:\tqemu\nVmLck:\t       0 kB\nVmRSS:\t  326656 kB\n",
    f"{SCOPE}/cpu.weight": "300\n",
    f"{SCOPE}/cpu.max": "200000 100000\n",
    f"{SCOPE}/libvirt/cpu.max": "50000 100000\n",
    f"{SCOPE}/libvirt/vcpu0/cpu.max": "max 100000\n",
    f"{SCOPE}/cpu.stat": "usage_usec 815200\nuser_usec 500000\nsystem_usec 315200\n",
    f"{SCOPE}/cpu.pressure": PRESSURE,
    f"{SCOPE}/memory.min": "335544320\n",
    f"{SCOPE}/memory.low": "0\n",
    f"{SCOPE}/memory.max": "max\n",
    f"{SCOPE}/libvirt/memory.max": "max\n",
    f"{SCOPE}/memory.current": "311427072\n",
    f"{SCOPE}/memory.swap.current": "4096\n",
    f"{SCOPE}/libvirt/emulator/cpuset.cpus.effective": "0,4-5\n",
    f"{ROOT}/cpuset.cpus.effective": "0-7\n",
    f"{ROOT}/machine.slice/memory.min": "335544320\n",
    f"{GOLD}/memory.min": "1073741824\n",
    f"{GOLD}/memory.max": "2147483648\n",
    f"{GOLD}/cpu.max": "1600000 100000\n",
    f"{GOLD}/cpu.weight": "200\n",
}
SHOWN = {
    "machine-gold.slice": {
        "FragmentPath": "/etc/systemd/system/machine-gold.slice",
        "CPUWeight": "200",
        "CPUQuotaPerSecUSec": "16s",
        "MemoryMin": "1073741824",
        "MemoryLow": "0",
        "MemoryMax": "infinity",
    },
    "machine-misspelt.slice": {
        "FragmentPath": "",
        "CPUWeight": "[not set]",
        "CPUQuotaPerSecUSec": "infinity",
        "MemoryMin": "0",
        "MemoryLow": "0",
        "MemoryMax": "infinity",
    },
}
LISTED = (
    "driver 0::/system.slice/libvirtd.service\n"
    f"web {FILES['/proc/4711/cgroup']}"
    "two words 0::/machine.slice/machine-gold.slice/machine-qemu\\x2d2\\x2dtwo.scope/libvirt\n"
    "deep 0::/machine.slice/machine-gold.slice/machine-gold-inner.slice/machine-x.scope/libvirt\n"
    "gone \n"
)


class FakeHost:
    """Answers as a host's shell would: files, folders of files, and properties of units."""

    def run(self, command: str, *arguments: str) -> SimpleNamespace:
        if command == "cat /proc/$(cat %s)/cgroup":
            pid = FILES.get(arguments[0], "none").strip()
            arguments = (f"/proc/{pid}/cgroup",)
        found = getattr(self, f"_{command.split()[0]}")(*arguments)
        return SimpleNamespace(rc=0 if found is not None else 1, stdout=found or "", stderr="no")

    def check_output(self, command: str, *arguments: str) -> str:
        done = self.run(command, *arguments)
        assert done.rc == 0, arguments
        return done.stdout.rstrip("\r\n")

    def _cat(self, path: str) -> str | None:
        return FILES.get(path)

    def _test(self, folder: str) -> str | None:
        return "" if any(path.startswith(f"{folder}/") for path in FILES) else None

    def _systemctl(self, names: str, unit: str) -> str:
        return "".join(f"{name}={SHOWN[unit][name]}\n" for name in names.split(","))

    def _sh(self, _script: str) -> str:
        return LISTED


def bound(module: Any, name: str) -> Any:
    return module.get_module(FakeHost())(name)


@pytest.fixture
def web() -> CgroupOfVm:
    return bound(CgroupOfVm, "web")


def test_what_the_kernel_grants_a_vm(web: CgroupOfVm) -> None:
    assert web.exists
    assert web.path == SCOPE
    assert (web.cpu_weight, web.cpu_usage_us) == (300, 815200)
    assert (web.memory_min_bytes, web.memory_low_bytes) == (320 * 2**20, 0)
    assert (web.memory_current_bytes, web.memory_swap_bytes) == (297 * 2**20, 4096)
    assert web.pressure("cpu")["some_avg10"] == 23.5
    assert web.pressure("cpu")["full_total"] == 0


def test_of_the_scope_and_libvirts_own_level_the_tighter_limit_is_told(
    web: CgroupOfVm, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (web.cpu_max, web.memory_max_bytes) == (0.5, None)
    assert web.cpu_limit(0) is None
    monkeypatch.setitem(FILES, f"{SCOPE}/libvirt/cpu.max", "max 100000")
    monkeypatch.setitem(FILES, f"{SCOPE}/libvirt/memory.max", "4096")
    assert (web.cpu_max, web.memory_max_bytes) == (2.0, 4096)


def test_what_all_above_a_vm_keep(web: CgroupOfVm) -> None:
    assert web.ancestors_memory_min_bytes == {
        "machine.slice": 320 * 2**20,
        "machine-gold.slice": 2**30,
    }


def test_processors_are_those_of_the_next_cgroup_that_says_which(web: CgroupOfVm) -> None:
    assert web.emulator_cpus == [0, 4, 5]
    assert web.allowed_cpus == web.vcpu_cpus(0) == web.iothread_cpus(1) == list(range(8))


def test_what_qemu_has(web: CgroupOfVm) -> None:
    assert web.pid == 4711
    assert (web.resident_bytes, web.locked_bytes) == (319 * 2**20, 0)


def test_a_resource_pool() -> None:
    gold = bound(ResourcePool, "gold")
    assert gold.exists and gold.is_active
    assert (gold.unit, gold.path) == ("machine-gold.slice", GOLD)
    assert (gold.cpu_weight, gold.cpu_max) == (200, 16.0)
    assert (gold.memory_min_bytes, gold.memory_max_bytes) == (2**30, 2 * 2**30)
    assert gold.declared == PoolSettings(200, 16.0, 2**30, 0, None)
    assert gold.members == ["two words", "web"]


def test_a_misspelt_pool_has_no_unit_file_and_no_limits() -> None:
    misspelt = bound(ResourcePool, "misspelt")
    assert not misspelt.exists and not misspelt.is_active
    assert misspelt.declared == PoolSettings(100, None, 0, 0, None)
    with pytest.raises(AssertionError, match=r"machine-misspelt.slice is not active"):
        assert misspelt.cpu_weight


def test_the_units_of_pools() -> None:
    assert resource_pool.slices("gold/my-pool") == [
        "machine-gold.slice",
        "machine-gold-my\\x2dpool.slice",
    ]
    assert resource_pool.escaped(".été_1:2") == "\\x2e\\xc3\\xa9t\\xc3\\xa9_1:2"


@pytest.mark.parametrize(
    ("text", "cores"),
    [("500ms", 0.5), ("1.500000s", 1.5), ("1min 4s", 64.0), ("10us", 0.00001), ("infinity", None)],
)
def test_time_spans(text: str, cores: float | None) -> None:
    assert resource_pool.parse_time_span(text) == cores


def test_lists_of_processors() -> None:
    assert control_group.parse_cpus("0-2,8\n") == [0, 1, 2, 8]
    assert control_group.parse_cpus("\n") == []


def test_every_testinfra_host_gets_it() -> None:
    modules.pytest_configure(None)
    assert repr(Host.get_host("local://").resource_pool("gold")) == "<ResourcePool gold>"
