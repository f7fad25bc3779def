# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes with their unit in the value: `2GiB` and nothing else means 2 * 2**30 bytes. And cores."""

from __future__ import annotations

import re
from typing import Union

UNITS = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40, "PiB": 2**50}
LONGEST_NUMBER = 40
LIMIT = 2**63  # what libvirt and QEMU count bytes in
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)")


def parse_size(text: object) -> int:
    """Bytes in a size such as `512MiB` or `1.5GiB`. ValueError says what to write instead."""
    match = _SIZE.fullmatch(str(text).strip())
    if not match:
        raise ValueError(f"{text!r} is not a size; write a number with a unit, such as 2GiB")
    number, unit = match.groups()
    if not unit:
        meant = f"{number}MiB or {number}GiB" if float(number) else "0B"
        raise ValueError(f"{text} has no unit; write {meant}")
    if unit not in UNITS:
        raise ValueError(
            f"the unit of {text} is none of {', '.join(UNITS)}; {_meant(number, unit)}"
        )
    if len(number) > LONGEST_NUMBER:
        raise ValueError(f"{text} is no size: it has {len(number)} digits")
    size = float(number) * UNITS[unit] if "." in number else int(number) * UNITS[unit]
    if size >= LIMIT:
        raise ValueError(f"{text} is more than libvirt can count; write less than 8192PiB")
    if size != int(size):
        raise ValueError(f"{text} is no whole number of bytes")
    return int(size)


def _meant(number: str, unit: str) -> str:
    """The size that was most likely meant: `GB` and `g` become `GiB`."""
    letter = unit[0].upper()
    near = next((name for name in UNITS if name[0] == letter), "GiB")
    return f"write {number}{near}"


def format_size(size: int) -> str:
    """The size in the largest unit that holds it exactly: 2147483648 is `2GiB`."""
    unit = "B"
    for name, factor in UNITS.items():
        if size and size % factor == 0:
            unit = name
    return f"{size // UNITS[unit]}{unit}"


Cores = Union[int, float]  # as a user writes and is shown them: 2, 1.5
MILLICORES = 1000  # of one core, in which they are counted
MOST_CORES = 100_000
_CORES = re.compile(r"\d{1,9}(\.\d+)?")
_AS_GOOD_AS_WHOLE = 1e-6  # 0.1 + 0.2 is 0.3


def parse_cores(text: object) -> int:
    """Millicores in a number of cores such as 2 or 1.5. ValueError says what to write instead."""
    given = str(text).strip()
    if not _CORES.fullmatch(given):
        raise ValueError(f"{given!r} is no number of cores; write one such as 2 or 1.5")
    millicores = float(given) * MILLICORES
    if abs(millicores - round(millicores)) > _AS_GOOD_AS_WHOLE:
        raise ValueError(f"{given} is finer than a thousandth of a core; write 3 decimals at most")
    if millicores > MOST_CORES * MILLICORES:
        raise ValueError(f"{given} is more than {MOST_CORES} cores")
    return round(millicores)


def cores_of(millicores: int) -> Cores:
    """Cores as they are shown: 1500 millicores are 1.5, 2000 are 2."""
    whole, rest = divmod(millicores, MILLICORES)
    return millicores / MILLICORES if rest else whole
