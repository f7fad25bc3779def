# SPDX-License-Identifier: GPL-3.0-or-later
"""What this machine has to promise, and what its administrator said about that.

Also installed on hosts for libvirt's hook: only what is quick to import, which pathlib is not.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Callable, NamedTuple

from ..engine.promises_held import Pool
from ..engine.promises_policy import Capacity, Policy
from .slices import bytes_of, drop_in_names, pool_of_unit, sections_of

Run = Callable[[Sequence[str]], str]  # runs a command; what it said where it failed
# Where systemd looks for drop-ins, what counts first (systemd.unit(5)).
CONTROL = "run/systemd/system.control"  # what was set until the next boot
DROP_INS = (
    *("etc/systemd/system.control", CONTROL, "run/systemd/transient", "etc/systemd/system"),
    *("run/systemd/system", "usr/local/lib/systemd/system", "usr/lib/systemd/system"),
)
# What is set of slices here, so that promises hold: always until the next boot.
BY_HOOK = {"CPUWeight", "MemoryMin"}
HUGE = 1e9  # above, and beside infinity and what is no number, nothing is meant
ADMISSIONS = ("strict", "warn", "off")


def run(command: Sequence[str]) -> str:
    """Run a command; empty if it succeeded, else why not. (subprocess takes longer to import.)"""
    reads, writes = os.pipe()
    outputs = [(os.POSIX_SPAWN_DUP2, writes, stream) for stream in (1, 2)]
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
    try:
        process = os.posix_spawnp(command[0], list(command), environment, file_actions=outputs)
    except OSError as error:
        os.close(reads)
        return f"{command[0]}: {error.strerror}"
    finally:
        os.close(writes)
    with open(reads, errors="replace") as stream:
        said = stream.read().strip()
    _process, status = os.waitpid(process, 0)
    return "" if status == 0 else said or f"{command[0]}: ended with status {status}"


class Places(NamedTuple):
    """Where all of this is. Tests have a tree of files of their own."""

    policy: str = "/etc/kvm-fleet/admission.json"
    hook: str = "/etc/libvirt/hooks/qemu.d/50-kvm-fleet"
    daemon_hook: str = "/etc/libvirt/hooks/daemon.d/50-kvm-fleet"
    library: str = "/usr/local/lib/kvm-fleet"
    units: str = "/etc/systemd/system"
    state: str = "/run/kvm-fleet"
    cgroup: str = "/sys/fs/cgroup"
    systemd: str = "/run/systemd/system"  # is there where systemd runs (sd_booted)
    drop_ins: str = "/run/systemd/system.control"  # of properties that were set until the next boot
    pid_files: str = "/run/libvirt/qemu"
    proc: str = "/proc"
    cpus: str = "/sys/devices/system/cpu/online"
    nodes: str = "/sys/devices/system/node"
    huge_pages: str = "/sys/kernel/mm/hugepages"
    root: str = ""  # below it systemd looks for what drop-ins say
    run: Run = run


SYSTEM = Places()


# ---- what the machine has


def capacity(places: Places = SYSTEM) -> Capacity:
    """The processors that are online, memory, huge pages of all sizes, and NUMA cells."""
    return Capacity(
        cpus=cpu_list(text_of(places.cpus)),
        memory=_kibibytes(text_of(f"{places.proc}/meminfo"), "MemTotal:"),
        huge_pages={
            int(name[len("hugepages-") : -len("kB")]) * 1024: int(
                text_of(f"{places.huge_pages}/{name}/nr_hugepages") or 0
            )
            for name in names_in(places.huge_pages)
            if name.startswith("hugepages-")
        },
        cells=tuple(sorted(_cells(places))),
    )


def _cells(places: Places) -> list[tuple[int, tuple[int, ...], int]]:
    found = []
    for name in names_in(places.nodes):
        if name.startswith("node") and name[4:].isdigit():
            folder = f"{places.nodes}/{name}"
            memory = _kibibytes(text_of(f"{folder}/meminfo"), f"Node {name[4:]} MemTotal:")
            found.append((int(name[4:]), cpu_list(text_of(f"{folder}/cpulist")), memory))
    return found


def _kibibytes(text: str, key: str) -> int:
    """A number of the kernel's in bytes; 0 where it does not tell."""
    lines = (line for line in text.splitlines() if line.startswith(key))
    return next((int(line[len(key) :].split()[0]) * 1024 for line in lines), 0)


def cpu_list(text: str) -> tuple[int, ...]:
    """The processors of a list such as 0-3,8, in order; with ^2 that one is none of them."""
    found: set[int] = set()
    for part in text.replace(",", " ").split():
        if part.startswith("^"):
            found.discard(int(part[1:]))
        else:
            first, _dash, last = part.partition("-")
            found.update(range(int(first), int(last or first) + 1))
    return tuple(sorted(found))


# ---- what was said about it


def policy_to_go_by(places: Places = SYSTEM) -> tuple[Policy, str]:
    """The policy of the host, and why it is the default instead: one that cannot be read is no
    reason to promise anything twice."""
    try:
        return policy(places), ""
    except ValueError as error:
        return Policy(), str(error)


def policy(places: Places = SYSTEM) -> Policy:
    """The policy of the host; the default without a file. ValueError where it cannot be read."""
    try:
        with open(places.policy, encoding="utf-8", errors="replace") as file:
            text = file.read()
    except FileNotFoundError:
        return Policy()
    except OSError as error:
        raise ValueError(f"{places.policy}: {error.strerror}") from None
    import json  # which costs as much as all the rest, and not all hosts have a file

    try:
        return _policy(json.loads(text))
    except (ValueError, OverflowError, RecursionError) as error:
        raise ValueError(f"{places.policy}: {error}") from None


def _policy(said: Any) -> Policy:
    said = _known(said, ("admission", "host_reserve", "vcpu_per_core", "memory_ratio"), "")
    reserve = _known(said.get("host_reserve") or {}, ("cpu", "memory"), "host_reserve: ")
    admission = said.get("admission", "strict")
    if admission not in ADMISSIONS:
        raise ValueError(f"admission: {admission!r} is none of {', '.join(ADMISSIONS)}")
    cpu = _number("host_reserve.cpu", reserve.get("cpu"))
    return Policy(
        admission=admission,
        reserve_cpu=None if cpu is None else round(cpu * 1000),
        reserve_memory=None if reserve.get("memory") is None else _size(reserve["memory"]),
        vcpu_per_core=_ratio("vcpu_per_core", said.get("vcpu_per_core")),
        memory_ratio=_ratio("memory_ratio", said.get("memory_ratio")),
    )


def _known(said: Any, names: Sequence[str], where: str) -> dict[str, Any]:
    if not isinstance(said, dict):
        raise ValueError(f"{where}{said!s:.60} is no object with {', '.join(names)}")
    if set(said) - set(names):
        raise ValueError(f"{where}unknown: {', '.join(sorted(set(said) - set(names)))}")
    return said


def _size(said: Any) -> int:
    """Bytes, as a number or as users write sizes: 2GiB."""
    size = bytes_of(str(said))
    if size or str(said).strip("0") == "":
        return size
    raise ValueError(f"host_reserve.memory: {said!r} is no size such as 2GiB")


def _ratio(name: str, said: Any) -> float | None:
    ratio = _number(name, said)
    if ratio == 0:
        raise ValueError(f"{name}: 0 would let no VM start; null is no limit")
    return ratio


def _number(name: str, said: Any) -> float | None:
    try:
        number = None if said is None else float(said)
    except (TypeError, ValueError, OverflowError):
        number = -1.0
    if number is None or (0 <= number < HUGE and not isinstance(said, bool)):
        return number
    raise ValueError(f"{name}: {said!s:.60} is no number of 0 or more")


def pools(places: Places = SYSTEM) -> list[Pool]:
    """The resource pools that unit files declare, outer ones before those inside."""
    folders = drop_in_folders(places.root)
    found = [
        pool_of_unit(name, text_of(f"{places.units}/{name}"), said_beside(folders, name))
        for name in names_in(places.units)
        if name.startswith("machine-") and name.endswith(".slice")
    ]
    return sorted(one for one in found if one is not None)


def drop_in_folders(root: str) -> dict[str, list[str]]:
    """Where there are drop-ins for slices, by the folder in which that is; what counts first."""
    folders = (f"{root}/{folder}" for folder in DROP_INS)
    return {one: [name for name in names_in(one) if name.endswith("slice.d")] for one in folders}


def said_beside(folders: Mapping[str, Sequence[str]], unit: str) -> dict[str, tuple[str, str]]:
    """What drop-ins say of a slice, which counts more than its file: by key, with the file.

    Of several of one name systemd reads the first, of those that it reads the last one counts. What
    the hook has set is no promise but follows from them.
    """
    files: dict[str, str] = {}
    for folder, there in folders.items():
        for name in (one for one in drop_in_names(unit) if one in there):
            for file in names_in(f"{folder}/{name}"):
                path = f"{folder}/{name}/{file}"
                is_hooks = folder.endswith(CONTROL) and set(settings_of_slice(path)) <= BY_HOOK
                if file.endswith(".conf") and not is_hooks:
                    files.setdefault(file, path)
    return {
        key: (value, path)
        for _file, path in sorted(files.items())
        for key, value in settings_of_slice(path).items()
    }


def settings_of_slice(path: str) -> dict[str, str]:
    """What a file says of a slice, of each key the last."""
    return sections_of(text_of(path)).get("Slice", {})


# ---- files


def text_of(path: str) -> str:
    """What is in a file; nothing where it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def names_in(folder: str) -> list[str]:
    """The names of what is in a folder; none where there is no such folder."""
    try:
        return os.listdir(folder)
    except OSError:
        return []
