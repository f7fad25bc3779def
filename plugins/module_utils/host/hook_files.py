# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a hook of libvirt that the role installs is on this machine, and its daemon calls it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

VM_DAEMONS = ("libvirtd", "virtqemud")


class HookFiles(NamedTuple):
    """Where a hook is. Tests have a tree of files of their own."""

    hook: str  # for VMs
    daemon_hook: str
    library: str  # the folder of what both run
    called: str  # the process of libvirt that called it, and since when that runs
    proc: str = "/proc"


def state_of(files: HookFiles) -> dict[str, Any]:
    """The version that is installed, empty without one, and whether a daemon that runs calls it."""
    return {"installed": _version(files), "called": _is_called(files)}


def _version(files: HookFiles) -> str:
    """By all that it is made of, the library first. libvirt skips what cannot be executed."""
    scripts = (files.hook, files.daemon_hook)
    if not all(os.access(script, os.X_OK) for script in scripts):
        return ""
    library = sorted(Path(files.library, "fleet").glob("*/*.py"))
    parts = (*library, f"{files.library}/hook.py", *scripts)
    return hashlib.sha1("".join(_text(str(part)) for part in parts).encode()).hexdigest()


def _is_called(files: HookFiles) -> bool:
    """A daemon that found no hook as it started calls none that came later; one to come will."""
    process, _space, started = _text(files.called).strip().partition(" ")
    if started and _started(files, process) == started:
        return True
    return next(_daemons(files), None) is None


def _started(files: HookFiles, process: str) -> str:
    """When a process was started (the field 22 of its stat); empty of none."""
    fields = _text(f"{files.proc}/{process}/stat").rpartition(")")[2].split()
    return fields[19] if len(fields) > 19 else ""


def _daemons(files: HookFiles) -> Iterator[str]:
    for folder in Path(files.proc).glob("[0-9]*"):
        if _text(f"{folder}/comm").strip() in VM_DAEMONS:
            yield folder.name


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
