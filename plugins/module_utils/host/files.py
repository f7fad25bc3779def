# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of the machine on which this runs, as facts."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from ..engine.looked_at import File, Image, Unreadable
from . import images

MADE_FROM = "user.kvm.fleet.made_from"  # an attribute of the file, which goes with it

TYPES = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "folder",
    stat.S_IFBLK: "block",
    stat.S_IFCHR: "character",
}


def read_file(path: str) -> File | None:
    """What is at a path; None where nothing is. Of what cannot be looked at, the type is empty."""
    try:
        found = Path(path).stat()
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    except OSError:
        return File("")
    return File(
        TYPES.get(stat.S_IFMT(found.st_mode), "other"),
        f"{stat.S_IMODE(found.st_mode):04o}",
        found.st_uid,
        found.st_gid,
        found.st_size,
        found.st_blocks * 512,
        found.st_mtime_ns / 1e9,
    )


def read_written(path: str) -> str:
    """When a file was last written, and its size; empty where it cannot be looked at."""
    found = read_file(path)
    return found.content if found is not None else ""


def read_image(path: str) -> Image | Unreadable:
    """What an image says about itself, or why that cannot be read."""
    found = read_file(path)
    if found is not None and found.type in ("character", "other"):
        return Unreadable("is neither a file nor a disk")  # to read a pipe could take for ever
    try:
        return images.inspect(path)
    except FileNotFoundError as error:
        return Unreadable(error.strerror or str(error), missing=True)
    except OSError as error:
        return Unreadable(error.strerror or str(error))
    except ValueError as error:
        return Unreadable(str(error), broken=True)


def read_checksum(path: str, algorithm: str) -> str | None:
    """The checksum of a file; None where it cannot be read."""
    try:
        return images.digest(path, algorithm)
    except OSError:
        return None


def read_made_from(path: str) -> str:
    """The checksums of the image that a volume was made from; empty where nothing is noted."""
    try:
        return os.getxattr(path, MADE_FROM).decode("ascii", "replace")
    except OSError:
        return ""


def note_made_from(path: str, checksums: str) -> None:
    """Note on a file what it was made from, where its file system takes notes."""
    with suppress(OSError):
        os.setxattr(path, MADE_FROM, checksums.encode("ascii"))


def read_folder(path: str) -> dict[str, str] | None:
    """What is in a folder, each name with its type; None where it cannot be read."""
    try:
        with os.scandir(path) as found:
            return {one.name: _type_of(one) for one in sorted(found, key=lambda one: one.name)}
    except OSError:
        return None


def _type_of(entry: os.DirEntry[str]) -> str:
    if entry.is_symlink():
        return "link"
    if entry.is_dir(follow_symlinks=False):
        return "folder"
    return "file" if entry.is_file(follow_symlinks=False) else "other"


def read_real_path(path: str) -> str:
    """A path without links; what is no path from the root is left as it is."""
    return os.path.realpath(path) if path.startswith("/") else path


def read_place(path: str) -> str:
    """What is the same for all paths of this machine to one file or device."""
    if not path.startswith("/"):  # it would be looked for in the folder that the module runs in
        return path
    try:
        status = Path(path).stat()
    except (OSError, ValueError):
        return os.path.realpath(path)
    if stat.S_ISBLK(status.st_mode):
        file = _looped(status.st_rdev)
        return read_place(file) if file and Path(file).is_file() else f"block:{status.st_rdev}"
    return f"file:{status.st_dev}:{status.st_ino}"


def _looped(number: int) -> str:
    """The file behind a loop device that shows the whole of it; empty of any other device."""
    about = Path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}/loop")
    try:
        whole = (about / "offset").read_text().strip() == "0"
        return (about / "backing_file").read_text().rstrip("\n") if whole else ""
    except OSError:
        return ""
