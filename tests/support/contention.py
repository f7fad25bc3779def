"""How a host divides its CPU among VMs whose guests are busy. Runs on the host, as root.

    python3 -m support.contention even=12:web,db alone=10:web

keeps a virtual CPU of each guest busy for so many seconds, one window after the other, and prints
what the kernel says that each VM used of it, and the whole host:
{"even": {"seconds": 12.1, "host": 11.9, "used": {"web": 5.8, "db": 5.9}}, ...}.
Who is in the next window too stays busy. Standard library and virsh only.
"""

from __future__ import annotations

import json
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from support.guest import GuestError, TinyGuest

CGROUPS = Path("/sys/fs/cgroup")
# Of libvirt's, with the PID and the live definition of each VM that runs.
RUNNING = Path("/run/libvirt/qemu")
# Ends the load of a guest that nobody calms any more.
FORGOTTEN_S = 900
HANGS_S = 240
# By then it is over what asking the guests itself needed.
SETTLE_S = 2


class Window(NamedTuple):
    """For how long which guests are busy."""

    name: str
    seconds: float
    vms: Sequence[str]


class Guest(TinyGuest):
    """A guest on its console, found without asking a daemon: on a busy host that takes seconds."""

    @cached_property
    def endpoint(self) -> str:
        console = ET.parse(RUNNING / f"{self.name}.xml").find("domain/devices/serial/source")
        if console is None:
            raise LookupError(f"{self.name}: no serial console")
        return console.attrib["path"]

    def _endpoint(self) -> str:
        return self.endpoint

    def come_up(self) -> None:
        """Have booted. On an emulated host a guest hangs at times as it boots: then once more."""
        try:
            self.wait_ready(HANGS_S)
        except GuestError:
            self.virsh("reset", self.name)
            self.wait_ready()

    def work(self) -> None:
        """Be busy until it is calmed."""
        self.burn(1, FORGOTTEN_S)


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
    pid = (RUNNING / f"{vm}.pid").read_text().strip()
    return CGROUPS / scope_of(Path(f"/proc/{pid}/cgroup").read_text()).lstrip("/")


def read(vms: Iterable[str]) -> dict[str, float]:
    """The CPU time used so far, of each VM and, without a name, of the whole host."""
    cgroups = {"": CGROUPS, **{vm: scope_path(vm) for vm in vms}}
    return {vm: used_s((path / "cpu.stat").read_text()) for vm, path in cgroups.items()}


def at_once(calls: Sequence[Callable[[], object]]) -> None:
    """Ask several guests: beside busy ones each answers late, so not in turn."""
    with ThreadPoolExecutor(max(1, len(calls))) as pool:
        for answer in [pool.submit(call) for call in calls]:
            answer.result()


def measure(window: Window) -> dict[str, Any]:
    """What the VMs of a window get, all of which are busy."""
    time.sleep(SETTLE_S)
    began, before = time.monotonic(), read(window.vms)
    time.sleep(window.seconds)
    seconds, after = time.monotonic() - began, read(window.vms)
    used = {vm: round(after[vm] - before[vm], 3) for vm in before}
    # The kernel samples what the host used, and an emulated one's clock misses some of it.
    host = max(used.pop(""), round(sum(used.values()), 3))
    return {"seconds": round(seconds, 3), "host": host, "used": used}


def measure_all(windows: Sequence[Window], guests: Mapping[str, Guest]) -> dict[str, Any]:
    busy: set[str] = set()
    measured = {}
    at_once([guest.come_up for guest in guests.values()])
    for window in windows:
        wanted = set(window.vms)
        at_once([guests[vm].calm for vm in busy - wanted])
        at_once([guests[vm].work for vm in wanted - busy])
        busy = wanted
        measured[window.name] = measure(window)
    at_once([guests[vm].calm for vm in busy])
    return measured


if __name__ == "__main__":
    asked = [window_of(word) for word in sys.argv[1:]]
    print(json.dumps(measure_all(asked, {vm: Guest(vm) for one in asked for vm in one.vms})))
