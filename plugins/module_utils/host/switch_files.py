# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of ours from which this machine makes switches when it starts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..engine.keepers import (
    BY_NETWORK_MANAGER,
    NETWORKD,
    PREFIX,
    UNIT_ENDING,
    UNIT_PREFIX,
)
from . import network_manager, units
from .writing import write_whole

FOLDER = Path("/etc/systemd/network")
ENDINGS = (".netdev", ".network")


def read_switch_files() -> dict[str, dict[str, str]]:
    """Of each backend its files by name, with networkd's the units of systemd. No program is
    asked."""
    return {NETWORKD: read_files(), BY_NETWORK_MANAGER: network_manager.read_files()}


def read_files(folder: Path = FOLDER, of_systemd: Path = units.UNITS) -> dict[str, str]:
    """The files that are ours, by name, those of networkd and units of systemd."""
    of_networkd = {
        path.name: path.read_text(encoding="utf-8", errors="replace")
        for path in sorted(folder.glob(f"{PREFIX}*"))
        if path.suffix in ENDINGS and path.is_file()
    }
    return {**of_networkd, **units.read(f"{UNIT_PREFIX}*{UNIT_ENDING}", of_systemd)}


def write_files(
    will: Mapping[str, str],
    are: Mapping[str, str],
    folder: Path = FOLDER,
    of_systemd: Path = units.UNITS,
) -> None:
    """Have the files of a bridge, each written whole or not at all, and none that it has no more.

    They come in their order, and go in that of their names: the one of the bridge itself, which
    has the note, is the last.
    """
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    for name, text in will.items():
        if are.get(name) == text:
            continue
        if name.endswith(UNIT_ENDING):
            units.install(name, text, of_systemd)
        else:
            # networkd reads as a user of its own, and does not read what is half-written
            write_whole(folder / name, text.encode(), 0o644)
    gone = [name for name in are if name not in will]
    for name in sorted(gone, key=lambda name: (name.endswith(".netdev"), "+" not in name)):
        if name.endswith(UNIT_ENDING):
            units.remove(name, of_systemd)
        else:
            (folder / name).unlink()
