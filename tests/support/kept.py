"""What the kernel holds for the VMs that run, and for what is around them. Runs on the host.

    python3 -m support.kept

prints {"web": {"weight": 100, "limit": null, "minimum": 0,
"around": {"machine.slice": {"weight": ...}, "machine-gold.slice": {...}}}}: weights of CPU time,
limits in CPUs, minimums in bytes of memory. Standard library only.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from support.contention import CGROUPS, RUNNING, scope_path


def cores_of(cpu_max: str) -> float | None:
    """CPUs, from cpu.max; None without a limit."""
    quota, period = cpu_max.split()
    return None if quota == "max" else int(quota) / int(period)


def values_of(cgroup: Path, limited: Path) -> dict[str, Any]:
    return {
        "weight": int((cgroup / "cpu.weight").read_text()),
        "limit": cores_of((limited / "cpu.max").read_text()),
        "minimum": int((cgroup / "memory.min").read_text()),
    }


def kept(vm: str) -> dict[str, Any]:
    """Of a VM, libvirt limits the level inside its scope."""
    scope = scope_path(vm)
    around = [path for path in scope.parents if path.is_relative_to(CGROUPS) and path != CGROUPS]
    slices = {path.name: values_of(path, path) for path in around}
    return {**values_of(scope, scope / "libvirt"), "around": slices}


if __name__ == "__main__":
    running = sorted(file.stem for file in RUNNING.glob("*.xml"))
    print(json.dumps({vm: kept(vm) for vm in running}))
