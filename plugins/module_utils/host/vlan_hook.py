# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether this machine has libvirt's hook for VLANs, which the role kvm_host installs, and whether
its daemon calls it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

VM_DAEMONS = ("libvirtd", "virtqemud")


class Places(NamedTuple):
    """Where all of this is. Tests have a tree of files of their own."""

    hook: str = "/etc/libvirt/hooks/qemu.d/60-kvm-fleet-vlans"
    daemon_hook: str = "/etc/libvirt/hooks/daemon.d/60-kvm-fleet-vlans"
    library: str = "/usr/local/lib/kvm-fleet-vlans"
    called: str = "/run/kvm-fleet/vlan-hook-called"  # by which process, and since when that runs
    proc: str = "/proc"


SYSTEM = Places()


def read_vlan_hook(places: Places = SYSTEM) -> dict[str, Any]:
    """The version that is installed, empty without one, and whether a daemon that runs calls it."""
    return {"installed": _version(places), "called": _is_called(places)}


def _version(places: Places) -> str:
    """By all that it is made of, the library first. libvirt skips what cannot be executed."""
    scripts = (places.hook, places.daemon_hook)
    if not all(os.access(script, os.X_OK) for script in scripts):
        return ""
    library = sorted(Path(places.library, "fleet").glob("*/*.py"))
    parts = (*library, f"{places.library}/hook.py", *scripts)
    return hashlib.sha1("".join(_text(str(part)) for part in parts).encode()).hexdigest()


def _is_called(places: Places) -> bool:
    """A daemon that found no hook as it started calls none that came later; one to come will."""
    process, _space, started = _text(places.called).strip().partition(" ")
    if started and _started(places, process) == started:
        return True
    return next(_daemons(places), None) is None


def _started(places: Places, process: str) -> str:
    """When a process was started (the field 22 of its stat); empty of none."""
    fields = _text(f"{places.proc}/{process}/stat").rpartition(")")[2].split()
    return fields[19] if len(fields) > 19 else ""


def _daemons(places: Places) -> Iterator[str]:
    for folder in Path(places.proc).glob("[0-9]*"):
        if _text(f"{folder}/comm").strip() in VM_DAEMONS:
            yield folder.name


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
