"""rightsizing counts what virsh counts, and proposes the same for a host and for its snapshot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support.module_server import ModuleServer
from support.private_libvirtd import PrivateLibvirtd

NS = 1e-9


@pytest.fixture
def vm(libvirtd: PrivateLibvirtd, modules: ModuleServer, prefix: str) -> str:
    name = f"{prefix}web"
    size = {"cpu": {"count": 2}, "memory": {"size": "64MiB"}}
    made = modules.run("vm", {"name": name, "virt_type": "qemu", **size, "state": "running"})
    assert not made.get("failed"), made.get("msg")
    return name


def counted(libvirtd: PrivateLibvirtd, vm: str) -> float:
    for line in libvirtd.virsh("domstats", "--cpu-total", vm).splitlines():
        name, _equals, value = line.strip().partition("=")
        if name == "cpu.time":
            return int(value) * NS
    raise AssertionError("virsh tells no cpu.time")


def sizes(modules: ModuleServer, **args: Any) -> dict[str, Any]:
    done = modules.run("rightsizing", args)
    assert not done.get("failed"), done.get("msg")
    assert done["changed"] is False
    return done


def test_the_counters_are_those_of_virsh(
    libvirtd: PrivateLibvirtd, modules: ModuleServer, vm: str
) -> None:
    before = counted(libvirtd, vm)
    done = sizes(modules, names=[vm], window_s=2, interval_s=0.4)
    after = counted(libvirtd, vm)
    cpu = [sample["cpu_s"] for sample in done["samples"]]
    assert len(cpu) >= 3 and cpu == sorted(cpu)
    assert before <= cpu[0] and cpu[-1] <= after
    [told] = done["vms"]
    assert told["cpu"]["count"] == 2 and told["memory"]["size"] == "64MiB"
    assert "average_bytes" not in told["memory"]  # no guest runs in it that could tell


def test_a_snapshot_and_samples_propose_what_the_host_and_samples_do(
    modules: ModuleServer, vm: str, tmp_path: Path
) -> None:
    samples = [{"vm": vm, "at": 10.0 * n, "cpu_s": 1.0 * n} for n in range(5)]
    on_host = sizes(modules, names=[vm], window_s=0, samples=samples)
    assert on_host["declarations"] == [{"name": vm, "cpu": {"count": 1}}]
    snapshot = tmp_path / "host.json"
    modules.run("host_snapshot", {"dest": str(snapshot)})
    there = {"uri": f"snapshot:{snapshot}", "names": [vm], "samples": samples}
    assert sizes(modules, window_s=0, **there)["vms"] == on_host["vms"]
    refused = modules.run("rightsizing", {**there, "window_s": 5})
    assert "a snapshot cannot be measured" in refused["msg"]


def test_mistakes_are_told_at_once(modules: ModuleServer, prefix: str) -> None:
    refused = modules.run(
        "rightsizing",
        {
            "names": [f"{prefix}none"],
            "window_s": -1,
            "interval_s": 0,
            "lowest_percent": 80,
            "margin_percent": -1,
            "samples": [{"vm": "a", "at": 1, "cpu_s": -1}],
        },
    )
    said = refused["msg"]
    assert f"{prefix}none: does not exist" in said and "lowest_percent" in said
    assert all(one in said for one in ("margin_percent", "interval_s", "window_s", "samples[0]"))
