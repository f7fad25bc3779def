# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a start or stop of a network left that its libvirtd did not outlive: found, and cleared.

libvirt notes what runs in a status file: as the last step of a start, and it removes that as the
first step of a stop. When it is killed in between, it takes the network for inactive, while its
bridge, its dnsmasq (radvd, before libvirt 8) and its firewall rules are there. Then it refuses to
start the network, for ever: "already in use by interface", "Address already in use".
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ...engine import xmltree
from ...engine.errors import FleetError
from ...engine.xmltree import Element
from ...host.connection import Host, wait_until
from ...host.interfaces import is_this_machine
from . import firewall, tree

RUN, STATE = "/run/libvirt/network", "/var/lib/libvirt"
END_TIMEOUT_S = 5.0


@dataclass(frozen=True)
class Left:
    """What was left of one network: its bridge, and its daemons as (program, process)."""

    bridge: str = ""
    daemons: tuple[tuple[str, int], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.bridge or self.daemons)

    def __str__(self) -> str:
        programs = dict.fromkeys(program for program, _process in self.daemons)
        return " and ".join([*([f"bridge {self.bridge}"] if self.bridge else []), *programs])


def find(
    host: Host, network: Element, taps: Callable[[], set[str]], thoroughly: bool = True
) -> Left:
    """What was left of a network that does not run. `taps` are those of VMs that are on it.

    Without `thoroughly` a daemon alone is found by the file with its process only, not among all
    processes: quick enough for networks that are to stay inactive.
    """
    if not is_this_machine(host):
        return Left()
    name, bridge = xmltree.get(network, "name") or "", xmltree.get(network, "bridge/@name") or ""
    mac = xmltree.get(network, "mac/@address") or ""
    left = bridge if bridge and mac and _is_left(bridge, mac, taps) else ""
    processes = _processes() if thoroughly or left else _noted(name)
    return Left(left, tuple(sorted(_daemons_of(name, processes))))


def clear(host: Host, network: Element, left: Left, resource: str) -> None:
    """End and remove it. FleetError says what cannot be removed."""
    for _program, process in left.daemons:
        _end(process, resource)
    bridge = xmltree.get(network, "bridge/@name") or ""
    firewall.remove_rules(bridge, tree.subnets_of(network))
    if left.bridge:
        _delete_bridge(left.bridge, resource)


# ---- the bridge


def _is_left(bridge: str, mac: str, taps: Callable[[], set[str]]) -> bool:
    """Whether it is the network's: with its own MAC, and with nothing but its VMs on it."""
    device = Path("/sys/class/net", bridge)
    if not (device / "bridge").is_dir() or _read(device / "address").strip() != mac:
        return False
    ports = {port.name for port in (device / "brif").iterdir()}
    return not ports or ports <= taps()


def _delete_bridge(bridge: str, resource: str) -> None:
    command = ["ip", "link", "delete", "dev", bridge]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise FleetError(
            f"an interrupted start or stop left the bridge {bridge}, which cannot be removed: "
            f"{done.stderr.strip()}; remove it and run again",
            resource,
        )


# ---- the daemons


def _daemons_of(name: str, processes: Iterator[int]) -> Iterator[tuple[str, int]]:
    """Those of processes that serve a network of this name to this machine."""
    arguments = {
        "dnsmasq": f"--conf-file={STATE}/dnsmasq/{name}.conf",
        "radvd": f"{STATE}/radvd/{name}-radvd.conf",
    }
    for process in processes:
        command = _read(Path(f"/proc/{process}/cmdline")).split("\0")
        program = Path(command[0]).name
        if arguments.get(program) in command[1:] and _is_in_our_network(process):
            yield program, process


def _processes() -> Iterator[int]:
    return (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())


def _noted(name: str) -> Iterator[int]:
    """The processes that the daemons themselves have noted."""
    for file in (f"{name}.pid", f"{name}-radvd.pid"):
        with suppress(ValueError):
            yield int(_read(Path(RUN, file)))


def _is_in_our_network(process: int) -> bool:
    """Whether its interfaces are ours, and not those of a container."""
    try:
        theirs = Path(f"/proc/{process}/ns/net").readlink()
    except OSError:
        return False
    return theirs == Path("/proc/self/ns/net").readlink()


def _end(process: int, resource: str) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.kill(process, number)
        if wait_until(lambda: not _runs(process), END_TIMEOUT_S, 0.05):
            return
    raise FleetError(
        f"an interrupted start or stop left the process {process}, which does not end; "
        "end it and run again",
        resource,
    )


def _runs(process: int) -> bool:
    return bool(_read(Path(f"/proc/{process}/cmdline")))  # what ended and is a zombie has none


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
