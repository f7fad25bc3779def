# SPDX-License-Identifier: GPL-3.0-or-later
"""The folders and files of backups: made under a name that says so, whole only by a rename."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from ...host.writing import flush, write_whole
from .manifest import MANIFEST, MARK, PARTIAL, TPM_STATE, Backup, File, text_of

FOLDER_MODE = 0o711  # QEMU, which is another user, has to reach what it writes, and nobody to list
FILE_MODE = 0o600
CHUNK = 1 << 20


def make_folder(path: Path) -> None:
    """A folder that is not there, or not yet."""
    path.mkdir(exist_ok=True)
    path.chmod(FOLDER_MODE)


def begin(folder: Path, mark: dict[str, Any]) -> None:
    """A folder for what is half-made, that says what will be in it."""
    folder.mkdir()
    folder.chmod(FOLDER_MODE)
    write(folder / MARK, json.dumps(mark, indent=1) + "\n")


def write(path: Path, text: str) -> None:
    """A file, whole or not at all, and on the disk when this returns."""
    write_whole(path, text.encode(), FILE_MODE)


def seen(folder: Path, file: str) -> tuple[int, str]:
    """The size and the checksum of a file, once it is on the disk."""
    path, hashed, size = folder / file, hashlib.sha256(), 0
    flush(path)
    with path.open("rb") as data:
        while True:
            block = data.read(CHUNK)
            if not block:
                return size, hashed.hexdigest()
            hashed.update(block)
            size += len(block)


def copy_state(source: str, folder: Path, what: str) -> list[File]:
    """The files of the state of a VM, copied beside its disks."""
    path = Path(source)
    if path.is_file():
        _copy(path, folder / what)
        return [File(what, what)]
    found = []
    for above, _folders, names in os.walk(path):
        for name in names:
            one = Path(above, name)
            if one.is_file() and not one.is_symlink() and name != ".lock":
                inside = Path(what) / one.relative_to(path)
                (folder / inside).parent.mkdir(parents=True, exist_ok=True)
                _copy(one, folder / inside)
                found.append(File(what, str(inside)))
    return sorted(found, key=lambda file: file.file)


def _copy(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)
    target.chmod(FILE_MODE)


def finish(partial: Path, backup: Backup) -> None:
    """Let what is half-made be a backup."""
    write(partial / MANIFEST, text_of(backup))
    partial.rename(partial.with_name(backup.id))
    flush(partial.parent)
    (partial.with_name(backup.id) / MARK).unlink()


def remove(folder: Path, backup: Backup) -> None:
    """Remove a backup. From its first step on it is half-made, and no backup any more."""
    partial = folder / f"{backup.id}{PARTIAL}"
    (folder / backup.id).rename(partial)
    flush(folder)
    clear(partial, (one.file for one in backup.all_files))


def clear(partial: Path, files: Iterable[str]) -> None:
    """Remove what is half-made, and nothing else. The mark, by which it is known, goes last."""
    for file in files:
        with suppress(FileNotFoundError):
            (partial / file).unlink()
    shutil.rmtree(partial / TPM_STATE, ignore_errors=True)
    last = (f"{MANIFEST}.new", f"{MARK}.new", MANIFEST, MARK)
    for name in last:
        with suppress(FileNotFoundError):
            (partial / name).unlink()
    with suppress(FileNotFoundError):
        partial.rmdir()
