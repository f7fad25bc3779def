"""What VMs keep of their memory while their host is short of it. Runs on the host, as root.

    python3 -m support.pressure MIB VM...

fills so much memory of each guest, lets something else want more than the host has left, and prints
what the kernel says that each VM has, in MiB: {"web": {"before": {"current": 250, "resident": 270,
"swapped": 0, "least": 300}, "after": {...}}}. Needs swap. Standard library and systemd only.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from support.contention import RUNNING, Guest, at_once, scope_path

MIB = 2**20
# How much more is wanted than the host has available, and for how long.
SHORT_MIB = 250
SHORT_S = 10
HOG = """
import mmap, sys, time
memory = mmap.mmap(-1, int(sys.argv[1]) * 2**20)
deadline = time.monotonic() + float(sys.argv[2])
passes = 0
while passes == 0 or time.monotonic() < deadline:
    for page in range(0, len(memory), 4096):
        memory[page] = passes % 256
    passes += 1
"""


def kib_of(text: str, field: str) -> int:
    """A line of /proc/meminfo or /proc/PID/status."""
    found = re.search(rf"^{field}:\s+(\d+) kB$", text, re.MULTILINE)
    if not found:
        raise ValueError(f"no {field} in it")
    return int(found[1])


def memory_of(vm: str) -> dict[str, int]:
    scope = scope_path(vm)
    status = Path(f"/proc/{(RUNNING / f'{vm}.pid').read_text().strip()}/status").read_text()
    files = {"current": "memory.current", "swapped": "memory.swap.current", "least": "memory.min"}
    told = {name: int((scope / file).read_text()) // MIB for name, file in files.items()}
    # Not of files: those of QEMU itself are charged to the VM that was the first to start.
    return told | {"resident": kib_of(status, "RssAnon") // 1024}


def fill(vm: str, mib: int) -> None:
    """Have the guest keep a file of that size in its memory."""
    code, said = Guest(vm).shell(
        f"mount -o remount,size=95% /run; dd if=/dev/zero of=/run/kept bs=1M count={mib}"
    )
    if code:
        raise RuntimeError(f"{vm}: {said}")


def be_short() -> None:
    """Something of the system's wants more memory than there is, for a while."""
    available = kib_of(Path("/proc/meminfo").read_text(), "MemAvailable") // 1024
    hog = [sys.executable, "-c", HOG, str(available + SHORT_MIB), str(SHORT_S)]
    # Of the system, not of who logged in: as a daemon that needs it would be.
    command = ["systemd-run", "--quiet", "--wait", "--collect", "--property=MemorySwapMax=0", *hog]
    subprocess.run(command, check=True, timeout=400)


def measure(mib: int, vms: Sequence[str]) -> dict[str, dict[str, dict[str, int]]]:
    at_once([partial(fill, vm, mib) for vm in vms])
    before = {vm: memory_of(vm) for vm in vms}
    be_short()
    after = {vm: memory_of(vm) for vm in vms}
    return {vm: {"before": before[vm], "after": after[vm]} for vm in vms}


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]), sys.argv[2:])))
