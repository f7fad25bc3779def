"""How the lab measures what VMs get: the parts that decide."""

from __future__ import annotations

import pytest

from support import contention, kept, pressure

SCOPE = "/machine.slice/machine-gold.slice/machine-qemu\\x2d1\\x2dweb.scope"


def test_a_window_is_a_name_a_time_and_vms() -> None:
    window = contention.window_of("limits=1.5:web,db")
    assert window == contention.Window("limits", 1.5, ["web", "db"])


def test_time_used_is_in_seconds() -> None:
    assert contention.used_s("usage_usec 2500000\nuser_usec 1\nsystem_usec 2\n") == 2.5


@pytest.mark.parametrize("below", ["", "/libvirt", "/libvirt/emulator"])
def test_a_scope_is_what_libvirt_has_its_level_in(below: str) -> None:
    assert contention.scope_of(f"0::{SCOPE}{below}\n") == SCOPE


def test_memory_is_read_by_its_name() -> None:
    told = "MemTotal:  1510976 kB\nMemAvailable:     937984 kB\n"
    assert pressure.kib_of(told, "MemAvailable") == 937984
    with pytest.raises(ValueError, match="no VmRSS"):
        pressure.kib_of(told, "VmRSS")


@pytest.mark.parametrize(("told", "cores"), [("50000 100000", 0.5), ("max 100000", None)])
def test_a_limit_is_told_in_cores(told: str, cores: float | None) -> None:
    assert kept.cores_of(f"{told}\n") == cores
