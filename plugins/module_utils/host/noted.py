# SPDX-License-Identifier: GPL-3.0-or-later
"""Notes of which VMs run with which promises, made as they start, in files that go with a reboot.

libvirt's hook cannot ask libvirt, which waits for it. Also installed on hosts for the hook: only
what is quick to import.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

from ..engine.promises_held import Vm
from . import cgroups
from .capacity import SYSTEM, Places, names_in, text_of


class Record(NamedTuple):
    """A VM that runs, or is being started."""

    vm: Vm
    scope: str = ""  # its cgroup; empty before there is one, and where none is found
    starter: str = ""  # else: the daemon that has it, as `process_mark` tells that


def records(places: Places = SYSTEM) -> list[Record]:
    """The VMs that run or are being started, in the order of their names."""
    found = [_record_of(text_of(f"{places.state}/vms/{name}")) for name in _recorded(places)]
    return sorted(one for one in found if one is not None and _is_there(places, one))


def drop_those_gone(places: Places) -> None:
    """Remove the records of VMs that run no longer, and of starts that came to nothing."""
    there = {one.vm.uuid for one in records(places)}
    for name in _recorded(places):
        if name not in there:
            _remove(f"{places.state}/vms/{name}")


def _recorded(places: Places) -> list[str]:
    return [name for name in names_in(f"{places.state}/vms") if not name.startswith(".")]


def _is_there(places: Places, found: Record) -> bool:
    if found.scope:
        return cgroups.exists(places, found.scope)
    pid, _space, mark = found.starter.partition(" ")
    return bool(mark) and process_mark(places, pid) == found.starter


def process_mark(places: Places, pid: int | str) -> str:
    """A process and when it was started (the field 22 of its stat); empty of none."""
    fields = text_of(f"{places.proc}/{pid}/stat").rpartition(")")[2].split()
    return f"{pid} {fields[19]}" if len(fields) > 19 else ""


def record(places: Places, vm: Vm, scope: str = "", starter: str = "") -> None:
    """Note that a VM runs in a cgroup, or is being started by a daemon; anew if it was noted."""
    values = {**vm._asdict(), "scope": scope, "starter": starter}
    lines = [f"{key} {_text(value)}\n" for key, value in values.items()]
    write(places, f"vms/{vm.uuid}", "".join(lines))


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return str(int(value)) if isinstance(value, bool) else str(value)


def _record_of(text: str) -> Record | None:
    """The record that was written so; None of what is none, or of another version of this."""
    said = dict(line.split(" ", 1) for line in text.split("\n") if " " in line)
    try:
        values = {key: _value(said[key], plain) for key, plain in Vm._field_defaults.items()}
        return Record(Vm(name=said["name"], **values), said["scope"], said["starter"])
    except (KeyError, ValueError):
        return None


def _value(text: str, plain: Any) -> Any:
    if isinstance(plain, bool):
        return text == "1"
    if isinstance(plain, tuple):
        return tuple(int(one) for one in text.split(",") if one)
    return int(text) if isinstance(plain, int) else text


def forget(places: Places, uuid: str) -> bool:
    """That VM runs no longer. Whether it was noted at all: what never ran has nothing to forget."""
    return _remove(f"{places.state}/vms/{uuid}")


def _remove(path: str) -> bool:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    return True


def write(places: Places, name: str, text: str) -> None:
    """Write a file whole, or not at all."""
    path = f"{places.state}/{name}"
    folder, _slash, last = path.rpartition("/")
    os.makedirs(folder, exist_ok=True)
    own = f"{folder}/.{last}-{os.getpid()}"  # libvirt calls its hook for several VMs at once
    with open(own, "w", encoding="utf-8", errors="replace") as file:
        file.write(text)
    os.rename(own, path)


@contextmanager
def locked(places: Places) -> Iterator[None]:
    """Two at once would both have the last of what is free."""
    os.makedirs(places.state, exist_ok=True)
    with open(f"{places.state}/lock", "w", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


# ---- what went wrong, to be told by the next run


def faults(places: Places = SYSTEM) -> list[str]:
    """What went wrong since that was last told, the oldest first, each with its time."""
    return [line for line in text_of(f"{places.state}/faults").splitlines() if line]


def fault(places: Places, text: str) -> None:
    """Note what went wrong, in a line; where that fails too, nobody hears of it."""
    said = "; ".join(line.strip() for line in text.splitlines() if line.strip())
    with suppress(OSError):
        os.makedirs(places.state, exist_ok=True)
        path = f"{places.state}/faults"
        with open(path, "a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {said}\n")


def clear_faults(places: Places, told: Iterable[str]) -> None:
    """Strike out what was told; what came meanwhile stays."""
    with locked(places):
        gone = set(told)
        left = [f"{line}\n" for line in faults(places) if line not in gone]
        write(places, "faults", "".join(left))


# ---- that the hook is called at all

VM_DAEMONS = ("libvirtd", "virtqemud")


def note_call(places: Places, daemon: int) -> None:
    """That a daemon calls hooks; of those without VMs nobody asks."""
    if text_of(f"{places.proc}/{daemon}/comm").strip() in VM_DAEMONS:
        write(places, "called", process_mark(places, daemon))
