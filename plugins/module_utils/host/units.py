# SPDX-License-Identifier: GPL-3.0-or-later
"""Units of systemd that run with a start of this machine: written and enabled, or taken away.

systemd reads them by itself when the machine starts; who wants it to know them at once reloads it.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from .writing import write_whole

UNITS = Path("/etc/systemd/system")
_BOOTED = Path("/run/systemd/system")  # sd_booted(3)
_WANTS = "multi-user.target.wants"


def are_started() -> bool:
    """Whether this machine was started by systemd, so that a start of it runs any."""
    return _BOOTED.is_dir()


def install(name: str, text: str, folder: Path = UNITS) -> None:
    """Have a unit, of which the whole start of the machine has to do (multi-user.target)."""
    wants = folder / _WANTS
    wants.mkdir(mode=0o755, parents=True, exist_ok=True)
    write_whole(folder / name, text.encode(), 0o644)
    with suppress(FileExistsError):
        (wants / name).symlink_to(UNITS / name)


def remove(name: str, folder: Path = UNITS) -> None:
    """Have it no more."""
    for path in (folder / _WANTS / name, folder / name):
        path.unlink(missing_ok=True)


def read(pattern: str, folder: Path = UNITS) -> dict[str, str]:
    """The text of units by name; none of one that no start runs, as somebody disabled it."""
    return {path.name: _text(path) for path in sorted(folder.glob(pattern))}


def _text(path: Path) -> str:
    if not (path.parent / _WANTS / path.name).is_symlink():
        return ""
    return path.read_text(encoding="utf-8", errors="replace")
