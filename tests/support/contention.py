"""How a host divides its CPU among VMs whose guests are all busy. Runs on the host.

    python3 -m support.contention even=12:web,db alone=10:web

keeps a virtual CPU of each guest busy for so many seconds, one window after the other, and prints
what the kernel says that each VM used of it, and the whole host:
{"even": {"seconds": 12.1, "host": 11.9, "used": {"web": 5.8, "db": 5.9}}, ...}.
Name the VMs that get most first. Standard library and virsh only.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from support.guest import TinyGuest

CGROUPS = Path("/sys/fs/cgroup")
PID_FILES = Path("/run/libvirt/qemu")
# Ends the load of a guest that nobody calms any more.
FORGOTTEN_S = 900
# By then it is over what asking the guests itself needed.
SETTLE_S = 2


class Window(NamedTuple):
    """For how long which guests are busy."""

    name: str
    seconds: float
    vms: Sequence[str]


class Guest(TinyGuest):
    """A guest that runs on: to look for its channel each time would take longer than its answer."""

    @cached_property
    def endpoint(self) -> str:
        return super()._endpoint()

    def _endpoint(self) -> str:
        return self.endpoint


def window_of(word: str) -> Window:
    name, _equals, rest = word.partition("=")
    seconds, _colon, vms = rest.partition(":")
    return Window(name, float(seconds), vms.split(","))


def used_s(cpu_stat: str) -> float:
    """The seconds of CPU time that a cgroup has used, from its cpu.stat."""
    fields = dict(line.split() for line in cpu_stat.splitlines())
    return int(fields["usage_usec"]) / 1e6


def scope_of(cgroup: str) -> str:
    """The VM's scope in its /proc/PID/cgroup (v2): libvirt has levels of its own below it."""
    return cgroup.strip().partition("::")[2].partition("/libvirt")[0]


def scope_path(vm: str) -> Path:
    pid = (PID_FILES / f"{vm}.pid").read_text().strip()
    return CGROUPS / scope_of(Path(f"/proc/{pid}/cgroup").read_text()).lstrip("/")


def read(vms: Iterable[str]) -> dict[str, float]:
    """The CPU time used so far, of each VM and, without a name, of the whole host."""
    cgroups = {"": CGROUPS, **{vm: scope_path(vm) for vm in vms}}
    return {vm: used_s((path / "cpu.stat").read_text()) for vm, path in cgroups.items()}


def measure(window: Window) -> dict[str, Any]:
    guests = [Guest(vm) for vm in window.vms]
    for guest in guests:
        guest.wait_ready()
    # A guest beside busy ones would answer late: who gets least begins, who gets most ends first.
    for guest in reversed(guests):
        guest.burn(1, FORGOTTEN_S)
    time.sleep(SETTLE_S)
    began, before = time.monotonic(), read(window.vms)
    time.sleep(window.seconds)
    seconds, after = time.monotonic() - began, read(window.vms)
    for guest in guests:
        guest.calm()
    used = {vm: round(after[vm] - before[vm], 3) for vm in before}
    return {"seconds": round(seconds, 3), "host": used.pop(""), "used": used}


if __name__ == "__main__":
    windows = [window_of(word) for word in sys.argv[1:]]
    print(json.dumps({window.name: measure(window) for window in windows}))
