# SPDX-License-Identifier: GPL-3.0-or-later
"""The manifest of a backup: all that is to be known of it, as JSON beside its files. Pure."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from typing import Any

from ...engine.looked_at import Layout

FORMAT = 1  # of the manifest; one that is newer is not touched
MANIFEST, MARK, LOCK = "manifest.json", "mark.json", ".lock"
PARTIAL = ".partial"  # at the end of the name of a folder that is half-made, or half-removed
DEFINITION, NVRAM, TPM_STATE = "definition", "nvram", "tpm_state"
FULL, INCREMENTAL = "full", "incremental"
LIVE, OFF = "live", "off"


@dataclass(frozen=True)
class File:
    """One file of a backup, by its path within the folder of the backup."""

    what: str  # definition, nvram, tpm_state, or disk
    file: str
    size: int = 0
    sha256: str = ""


@dataclass(frozen=True)
class DiskCopy(File):
    """The copy of one disk, always in qcow2."""

    name: str = ""  # as `vm` calls it
    target: str = ""
    capacity: int = 0  # bytes that the guest sees
    parent: str = ""  # the backup whose copy of the disk it stands on; empty of a whole one
    source: str = ""  # where the disk was
    format: str = ""  # in which format it was there
    written: str = ""  # when that was last written to, of a VM that was off
    had_snapshots: bool = False  # inside of its image, to which it may have gone back since
    layout: Layout | None = None  # of its qcow2 there; older manifests do not say it


@dataclass(frozen=True)
class Backup:
    """One backup of one VM."""

    id: str  # the name of its folder
    named: bool  # whether a user named it
    vm: str
    uuid: str
    made: int  # milliseconds since 1970
    mode: str  # full, or incremental where a disk stands on another backup
    how: str = LIVE  # or off
    parent: str = ""  # the backup that it stands on
    quiesced: bool = False
    checkpoint: str = ""  # from which QEMU knows what was written since
    definition: str = ""  # a digest of the VM's definition
    autostart: bool = False
    disks: tuple[DiskCopy, ...] = ()
    files: tuple[File, ...] = ()
    lacks: tuple[str, ...] = field(default=(), compare=False)  # files that are not as it says

    @property
    def all_files(self) -> tuple[File, ...]:
        """The copies of its disks, and the files beside them."""
        return (*self.disks, *self.files)

    @property
    def size(self) -> int:
        """Bytes that it takes."""
        return sum(one.size for one in self.all_files)

    def disk(self, target: str) -> DiskCopy | None:
        """The copy of a disk."""
        return next((one for one in self.disks if one.target == target), None)


def text_of(backup: Backup) -> str:
    """A manifest as it is written."""
    said = asdict(backup)
    del said["lacks"]
    return json.dumps({"format": FORMAT, "at": when(backup.made), **said}, indent=1) + "\n"


def backup_in(said: Mapping[str, Any]) -> Backup:
    """A backup, as a manifest tells it. ValueError where it does not."""
    if said.get("format") != FORMAT:
        raise ValueError(f"its manifest is of format {said.get('format')!r}, and {FORMAT} is known")
    try:
        disks = tuple(_disk_copy(one) for one in said["disks"])
        files = tuple(File(**one) for one in said["files"])
        lacks = tuple(said.get("lacks", ()))
        own = {name: value for name, value in said.items() if name in _PLAIN}
        found = Backup(**own, disks=disks, files=files, lacks=lacks)
    except (KeyError, TypeError) as error:
        raise ValueError(f"its manifest is broken ({error})") from error
    strange = [one.file for one in found.all_files if not is_inside(one.file)]
    if strange:
        raise ValueError(f"its manifest names {strange[0]!r}, which is outside of its folder")
    return found


def _disk_copy(said: Mapping[str, Any]) -> DiskCopy:
    layout = said.get("layout")
    return DiskCopy(**{**said, "layout": None if layout is None else Layout(**layout)})


_PLAIN = (
    *("id", "named", "vm", "uuid", "made", "mode", "how", "parent", "quiesced", "checkpoint"),
    *("definition", "autostart"),
)


def is_inside(path: Any) -> bool:
    """Whether a path stays within the folder that it is in."""
    return (
        isinstance(path, str)
        and bool(path)
        and posixpath.normpath(path) == path
        and not (path.startswith(("/", "../")) or path in (".", ".."))
    )


def when(made: int) -> str:
    """A moment as it is told: 2026-11-27T22:14:00Z."""
    return datetime.fromtimestamp(made // 1000, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def id_of(made: int) -> str:
    """How the backup of a moment is called that nobody named."""
    return datetime.fromtimestamp(made // 1000, timezone.utc).strftime("%Y%m%dT%H%M%SZ")


def above(backup: Backup, by_id: Mapping[str, Backup]) -> Iterator[Backup]:
    """The backups that one stands on, the nearest first, as far as they are there."""
    seen = {backup.id}
    while backup.parent and backup.parent in by_id and backup.parent not in seen:
        backup = by_id[backup.parent]
        seen.add(backup.id)
        yield backup


def why_not_whole(backup: Backup, by_id: Mapping[str, Backup]) -> str:
    """Why nothing can be restored of a backup, or built upon it; empty where it is whole."""
    chain = [backup, *above(backup, by_id)]
    for one in chain:
        if one.lacks:
            return f"{one.id}/{one.lacks[0]} is missing, or is not as it was"
    if chain[-1].parent:
        return f"{chain[-1].id} stands on {chain[-1].parent}, which is not there"
    return ""
