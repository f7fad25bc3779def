"""Pools as slices of systemd, and what a machine has, both from files."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine.promises import Pool
from ansible_collections.kvm.fleet.plugins.module_utils.host import slices
from ansible_collections.kvm.fleet.plugins.module_utils.host.capacity import (
    capacity,
    cpu_list,
    pools,
    run,
)
from support.made_up_host import GIB, MIB, MadeUpHost


@pytest.mark.parametrize(
    ("path", "unit"),
    [
        ("gold", "machine-gold.slice"),
        ("gold/inner", "machine-gold-inner.slice"),
        # Measured: libvirt puts /machine/my-pool into this one.
        ("my-pool", "machine-my\\x2dpool.slice"),
        (".a b/é", "machine-\\x2ea\\x20b-\\xc3\\xa9.slice"),
    ],
)
def test_a_pool_has_a_slice_of_its_name(path: str, unit: str) -> None:
    assert slices.unit_of_pool(path) == unit
    assert slices.pool_of_slice(unit) == path


def test_slices_are_in_those_whose_names_they_begin_with() -> None:
    assert slices.slices_of_pool("a/b-c") == (
        "/machine.slice/machine-a.slice/machine-a-b\\x2dc.slice"
    )


@pytest.mark.parametrize("unit", ["machine.slice", "user.slice", "machine-a\\xzz.slice", "x.scope"])
def test_other_units_are_no_pools(unit: str) -> None:
    assert slices.pool_of_slice(unit) == ""


def test_a_unit_file_declares_a_pool() -> None:
    text = """# of ours
[Slice]
CPUWeight=100
CPUWeight = 200
CPUQuota=150%
MemoryMin=2G
MemoryLow=infinity
; MemoryMax=1
MemoryMax=4294967296
[X-kvm-fleet]
CPUReservation=1.25
Expandable=yes
"""
    found = slices.pool_of_unit("machine-gold.slice", text)
    assert found == Pool("gold", 1250, 1500, 200, 2 * GIB, 0, 4 * GIB, True)
    assert slices.pool_of_unit("machine-gold.slice", text.partition("[X-")[0]) is None


def test_the_pools_of_a_host_are_in_its_unit_files(tmp_path: Path) -> None:
    host = MadeUpHost(tmp_path)
    assert pools(host.places) == []
    for name in ("machine-gold-inner.slice", "machine-gold.slice", "ssh.service"):
        host.write(f"/etc/systemd/system/{name}", "[X-kvm-fleet]\n")
    host.write("/etc/systemd/system/machine-other.slice", "[Slice]\nCPUWeight=5\n")
    assert [one.path for one in pools(host.places)] == ["gold", "gold/inner"]


def test_the_capacity_of_a_host(tmp_path: Path) -> None:
    host = MadeUpHost(tmp_path, cpus="0-2,5", memory=4 * GIB)
    for kib, count in {2048: 10, 1048576: 0}.items():
        host.write(f"/sys/kernel/mm/hugepages/hugepages-{kib}kB/nr_hugepages", f"{count}\n")
    node = "/sys/devices/system/node/node1"
    host.write(f"{node}/cpulist", "2,5\n")
    host.write(f"{node}/meminfo", "Node 1 MemTotal:       2048 kB\nNode 1 MemFree: 1 kB\n")
    found = capacity(host.places)
    assert (found.cpus, found.memory) == ((0, 1, 2, 5), 4 * GIB)
    assert found.huge_pages == {2 * MIB: 10, GIB: 0}
    assert found.cells == ((1, (2, 5), 2 * MIB),)


@pytest.mark.parametrize(
    ("text", "cpus"), [("", ()), ("3\n", (3,)), ("0-2,7", (0, 1, 2, 7)), ("0-3,^2", (0, 1, 3))]
)
def test_lists_of_processors(text: str, cpus: tuple[int, ...]) -> None:
    assert cpu_list(text) == cpus


def test_a_command_says_why_it_failed() -> None:
    assert run(["true"]) == ""
    assert run(["sh", "-c", "echo said; echo so >&2; exit 1"]) == "said\nso"
    assert run(["sh", "-c", "exit 3"]) != ""
    assert "No such file" in run(["no-such-program"])
