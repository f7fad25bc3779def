# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads what backups there are in a folder of this machine, and what QEMU knows for the next."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...engine import xmltree
from ...engine.errors import FleetError
from ...host.connection import Host, found, libvirt
from .manifest import LOCK, MANIFEST, MARK, PARTIAL, TPM_STATE

LARGEST_MANIFEST = 1 << 24  # bytes


def read_now(_host: Host) -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def read_room(_host: Host, directory: str) -> int | None:
    """Bytes that are free there."""
    try:
        told = os.statvfs(directory)
    except OSError:
        return None
    return told.f_bavail * told.f_frsize


def read_read_only(_host: Host, folder: str) -> bool:
    """Whether what is mounted there can only be read."""
    return _is_read_only(Path(folder))


def read_bitmaps(host: Host, vm: str, checkpoint: str) -> dict[str, int]:
    """The disks of which QEMU has a whole bitmap since a checkpoint, each with how many bytes were
    written. libvirt leaves the size out where the bitmap is missing or broken."""
    with host.errors(f"vm/{vm}", f"tell what was written since checkpoint {checkpoint}"):
        dom = found(host.conn.lookupByName, vm, libvirt.VIR_ERR_NO_DOMAIN)
        if dom is None or not dom.isActive():
            return {}
        one = found(
            lambda of: dom.checkpointLookupByName(of, 0),
            checkpoint,
            libvirt.VIR_ERR_NO_DOMAIN_CHECKPOINT,
        )
        if one is None:
            return {}
        flags = libvirt.VIR_DOMAIN_CHECKPOINT_XML_SIZE | libvirt.VIR_DOMAIN_CHECKPOINT_XML_NO_DOMAIN
        tree = xmltree.parse(one.getXMLDesc(flags))
    disks = tree.findall("disks/disk[@size]")
    return {disk.get("name", ""): int(disk.get("size", "0")) for disk in disks}


def read_backups(_host: Host, directory: str, vm: str) -> dict[str, Any]:
    """What there is of a VM: backups, what is half-made, what cannot be read, whose turn it is."""
    folder = Path(directory, vm)
    told: dict[str, Any] = {"exists": Path(directory).is_dir(), "holder": "", "leftovers": []}
    told.update(backups={}, broken={}, others={}, file=_no_folder(Path(directory), folder))
    told["read_only"] = _is_read_only(folder if folder.is_dir() else Path(directory))
    try:
        names = sorted(one.name for one in folder.iterdir() if one.is_dir())
    except (FileNotFoundError, NotADirectoryError):
        return told
    except OSError as error:
        raise FleetError(
            f"cannot be read: {error.strerror}", f"vm_backup/{vm}", str(folder)
        ) from error
    told["holder"] = _holder(folder / LOCK)
    for name in names:
        if name.endswith(PARTIAL):
            told["leftovers"] += _leftover(folder / name)
        else:
            _read_one(folder / name, told)
    return told


def _read_one(folder: Path, told: dict[str, Any]) -> None:
    """One folder; what has no manifest is of others, and nothing is said of it."""
    said, why = _json_in(folder / MANIFEST)
    if why:
        told["broken"][folder.name] = why
    elif said is not None:
        files = {one["file"]: one.get("size") for one in _files_in(said)}
        lacks = [file for file, size in files.items() if _size(folder / file) != size]
        told["backups"][folder.name] = {**said, "lacks": lacks}
        others = sorted(set(_below(folder)) - {*files, MANIFEST, MARK})
        if others:
            told["others"][folder.name] = others


def _files_in(said: Any) -> list[dict[str, Any]]:
    lists = [said.get(name) for name in ("disks", "files")]
    found = [one for items in lists if isinstance(items, list) for one in items]
    return [one for one in found if isinstance(one, dict) and isinstance(one.get("file"), str)]


def _leftover(folder: Path) -> Iterator[tuple[str, Any, list[str]]]:
    """What is half-made; what was to be made says the mark, or the manifest where that is there."""
    mark = _json_in(folder / MARK)[0] or _json_in(folder / MANIFEST)[0]
    files = {one["file"] for one in _files_in(mark or {})}
    own = {*files, *(f"{MANIFEST}.new", f"{MARK}.new", MANIFEST, MARK)}
    others = [
        path for path in _below(folder) if path not in own and not path.startswith(f"{TPM_STATE}/")
    ]
    if mark or not others:
        yield folder.name[: -len(PARTIAL)], mark or {}, sorted(others)


def _below(folder: Path) -> Iterator[str]:
    for above, _folders, files in os.walk(folder):
        for name in files:
            yield str(Path(above, name).relative_to(folder))


def _json_in(path: Path) -> tuple[dict[str, Any] | None, str]:
    """What a file says; None without one, and why it cannot be read."""
    try:
        if path.stat().st_size > LARGEST_MANIFEST:
            return None, f"{path.name} is larger than a manifest is"
        said = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None, ""
    except (OSError, ValueError) as error:
        return None, f"{path.name} cannot be read: {error}"
    return (said, "") if isinstance(said, dict) else (None, f"{path.name} is no manifest")


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def _no_folder(*paths: Path) -> str:
    """The first that is there and is no folder."""
    return next((str(path) for path in paths if path.exists() and not path.is_dir()), "")


def _is_read_only(directory: Path) -> bool:
    try:
        return bool(os.statvfs(directory).f_flag & os.ST_RDONLY)
    except OSError:
        return False


def _holder(lock: Path) -> str:
    """Who is at work here; the kernel lets go of the lock of a process that has ended."""
    try:
        file = os.open(lock, os.O_RDONLY)
    except OSError:
        return ""
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        pid = os.pread(file, 20, 0).decode("ascii", "replace").strip()
        return f"another run (process {pid})"
    else:
        return ""
    finally:
        os.close(file)
