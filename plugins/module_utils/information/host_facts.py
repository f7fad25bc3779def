# SPDX-License-Identifier: GPL-3.0-or-later
"""What a machine has to be a KVM host, read from the kernel and the programs, not from libvirt.

So it answers before libvirt is installed or running too. Functions that read files take the root
of the file system to read them from.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import struct
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..host import acceleration
from ..host.hooked import hook_of
from ..host.vlan_hook import read_vlan_hook

ROOT = Path("/")
PROGRAM_FOLDERS = "/usr/sbin:/usr/bin:/sbin:/bin"
COMMAND_TIMEOUT_S = 20

MONOLITHIC = "libvirtd"
MODULAR = "virtqemud"
# One of the two serves the socket that clients know; every other daemon's is named after it.
_SOCKETS = {MONOLITHIC: "libvirt-sock", "virtproxyd": "libvirt-sock"}

# What a type of storage pool needs on the host beside libvirt's driver.
STORAGE_HELPERS = {
    "disk": "parted",
    "iscsi": "iscsiadm",
    "logical": "lvm",
    "mpath": "multipath",
    "netfs": "mount.nfs",
    "rbd": "rbd",
    "zfs": "zfs",
}

DAEMONS = (
    "libvirtd",
    "virtinterfaced",
    "virtlockd",
    "virtlogd",
    "virtnetworkd",
    "virtnodedevd",
    "virtnwfilterd",
    "virtproxyd",
    "virtqemud",
    "virtsecretd",
    "virtstoraged",
)


def gather(packages: Sequence[str]) -> dict[str, Any]:
    """All of it; ``packages`` are those to look for."""
    verdict = acceleration.accelerated()
    qemu = acceleration.find_qemu()
    manager = service_manager()
    running = running_daemons(manager)
    return {
        "acceleration": {"accelerated": verdict.accelerated, "reason": verdict.reason},
        "cgroup_version": cgroup_version(),
        "cpu": cpu(),
        "hook": hook_of(),
        "iommu": iommu(),
        "libvirt": {"daemons": daemons_mode(running), "running": running, "version": libvirt()},
        "memory_mib": memory_mib(),
        "missing_packages": missing_packages(packages),
        "nested": nested(),
        "qemu": {"binary": qemu, "version": program_version(qemu)},
        "service_manager": manager,
        "storage_helpers": {
            name: bool(which(program)) for name, program in STORAGE_HELPERS.items()
        },
        "vlan_hook": read_vlan_hook(),
    }


def which(program: str) -> str | None:
    """The program's path; the sbin folders are searched too, whatever PATH says."""
    return shutil.which(program, path=PROGRAM_FOLDERS)


def service_manager(root: Path = ROOT) -> str:
    """``systemd`` where it runs; a chroot or container that only has it installed says ``none``."""
    return "systemd" if (root / "run/systemd/system").is_dir() else "none"


def cpu(root: Path = ROOT) -> dict[str, Any]:
    """Vendor, model and counts; the counts of cores and sockets are of what the kernel shows."""
    text = (root / "proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    flags = acceleration.cpu_flags(str(root / "proc/cpuinfo"))
    cores = _cores(root)
    return {
        "vendor": _first_value(text, "vendor_id"),
        "model": _first_value(text, "model name"),
        "sockets": len({package for package, _core in cores}),
        "cores": len(cores),
        "threads": len(re.findall(r"^processor\s*:", text, re.MULTILINE)),
        "virtualisation": next(iter(sorted(flags & acceleration.VIRTUALISATION_FLAGS)), None),
    }


def memory_mib(root: Path = ROOT) -> int:
    """The memory that the kernel manages."""
    meminfo = (root / "proc/meminfo").read_text(encoding="utf-8")
    return int(_first_value(meminfo, "MemTotal", "0 kB").split()[0]) // 1024


def iommu(root: Path = ROOT) -> bool:
    """Whether the kernel uses an IOMMU, as passing a device through to a VM needs."""
    groups = root / "sys/kernel/iommu_groups"
    return groups.is_dir() and any(groups.iterdir())


def cgroup_version(root: Path = ROOT) -> int | None:
    """2 or 1 (also for the hybrid layout); None when no cgroups are mounted."""
    cgroup = root / "sys/fs/cgroup"
    if (cgroup / "cgroup.controllers").is_file():
        return 2
    return 1 if (cgroup / "cpu").is_dir() else None


def nested(root: Path = ROOT) -> bool | None:
    """Whether guests may run guests of their own; None while neither KVM module is loaded."""
    for module in ("kvm_amd", "kvm_intel"):
        parameter = root / "sys/module" / module / "parameters/nested"
        if parameter.is_file():
            return parameter.read_text(encoding="utf-8").strip() in ("1", "Y")
    return None


def libvirt() -> str | None:
    """The version of the daemons that are installed."""
    return program_version(which(MODULAR) or which(MONOLITHIC))


def program_version(program: str | None) -> str | None:
    """The first version number in what the program says about itself."""
    if program is None:
        return None
    found = re.search(r"\d+(?:\.\d+)+", _output([program, "--version"]))
    return found.group() if found else None


def missing_packages(names: Sequence[str]) -> list[str]:
    """Those that are not installed, in the order given."""
    installed = _installed_packages()
    return [name for name in names if name not in installed]


def daemons_mode(running: Mapping[str, int | None]) -> str | None:
    """``monolithic`` or ``modular``; of daemons of both kinds, those that run are the ones used."""
    if MODULAR in running:
        return "modular"
    if MONOLITHIC in running:
        return "monolithic"
    return None


def running_daemons(manager: str, folder: Path = Path("/run/libvirt")) -> dict[str, int | None]:
    """The daemons that serve requests, with their process IDs where no systemd keeps them.

    systemd serves a daemon's socket before the daemon runs; to connect would start it. Elsewhere
    a connection is the proof: a socket or a PID file outlives a daemon that was killed.
    """
    if manager == "systemd":
        active = _active_units()
        return {name: None for name in DAEMONS if name in active}
    answers = {name: listener(folder / _SOCKETS.get(name, f"{name}-sock")) for name in DAEMONS}
    return {name: pid for name, pid in answers.items() if pid and _process_name(pid) == name}


def listener(path: Path) -> int | None:
    """The process that listens on a Unix socket, None if nobody does."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(COMMAND_TIMEOUT_S)
        try:
            connection.connect(str(path))
        except OSError:
            return None
        credentials = struct.Struct("3i")
        peer = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, credentials.size)
        return int(credentials.unpack(peer)[0])


def _process_name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def _active_units() -> set[str]:
    """The names, without their suffix, of what systemd runs or listens for."""
    options = "--state=active --type=service,socket --plain --no-legend --full"
    listed = _output(["systemctl", "list-units", *options.split()])
    return {line.split()[0].rsplit(".", 1)[0] for line in listed.splitlines() if line.split()}


def _installed_packages() -> frozenset[str]:
    if which("dpkg-query"):
        # Without the version: "ii " is the state of a package that is wholly installed.
        lines = _output(["dpkg-query", "-W", "-f", "${db:Status-Abbrev}${Package}\n"]).splitlines()
        return frozenset(line[3:] for line in lines if line.startswith("ii "))
    return frozenset(_output(["rpm", "-qa", "--queryformat", "%{NAME}\n"]).splitlines())


def _output(command: list[str]) -> str:
    """What the command prints; nothing if it is not there or does not end."""
    environment = {**os.environ, "LC_ALL": "C", "PATH": PROGRAM_FOLDERS}
    try:
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
            text=True,
            env=environment,
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""


def _cores(root: Path) -> set[tuple[str, str]]:
    return {
        (
            (topology / "physical_package_id").read_text(encoding="utf-8").strip(),
            (topology / "core_id").read_text(encoding="utf-8").strip(),
        )
        for topology in (root / "sys/devices/system/cpu").glob("cpu[0-9]*/topology")
    }


def _first_value(text: str, key: str, default: str = "unknown") -> str:
    found = re.search(rf"^{re.escape(key)}\s*:\s*(.+)$", text, re.MULTILINE)
    return found.group(1).strip() if found else default
