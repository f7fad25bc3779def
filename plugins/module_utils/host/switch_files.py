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
    UNITS,
)
from . import network_manager, units
from .writing import write_whole

FOLDER = Path("/etc/systemd/network")
ENDINGS = (".netdev", ".network")


def read_switch_files() -> dict[str, dict[str, str]]:
    """Of each backend its files by name, and the units of systemd. No program is asked."""
    by_network_manager = network_manager.read_files()
    return {NETWORKD: read_files(), BY_NETWORK_MANAGER: by_network_manager, UNITS: read_units()}


def read_files(folder: Path = FOLDER) -> dict[str, str]:
    """Those of networkd."""
    return {
        path.name: path.read_text(encoding="utf-8", errors="replace")
        for path in sorted(folder.glob(f"{PREFIX}*"))
        if path.suffix in ENDINGS and path.is_file()
    }


def write_files(will: Mapping[str, str], are: Mapping[str, str], folder: Path = FOLDER) -> None:
    """Have networkd's files of a bridge, each written whole or not at all, and no others.

    They come in their order, and go in that of their names: the one of the bridge itself, which
    has the note, is the last.
    """
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    for name, text in will.items():
        if are.get(name) != text:
            # networkd reads as a user of its own, and does not read what is half-written
            write_whole(folder / name, text.encode(), 0o644)
    gone = [name for name in are if name not in will]
    for name in sorted(gone, key=lambda name: (name.endswith(".netdev"), "+" not in name)):
        (folder / name).unlink()


def read_units(folder: Path = units.UNITS) -> dict[str, str]:
    """Those that see at a start that switches are whole."""
    return units.read(f"{UNIT_PREFIX}*{UNIT_ENDING}", folder)


def write_units(
    will: Mapping[str, str], are: Mapping[str, str], folder: Path = units.UNITS
) -> None:
    """Have the unit of a switch, or have it no more."""
    for name, text in will.items():
        if are.get(name) != text:
            units.install(name, text, folder)
    for name in (name for name in are if name not in will):
        units.remove(name, folder)
