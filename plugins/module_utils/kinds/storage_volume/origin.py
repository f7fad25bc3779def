# SPDX-License-Identifier: GPL-3.0-or-later
"""What a new volume is made from, and how large it becomes by that. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...engine.errors import Mistakes
from ...engine.keys import Key
from ...engine.plan import Wanted
from ...engine.units import format_size, parse_size
from .volumes import KIB, SECTOR

CAPACITY = ("capacity",)


@dataclass(frozen=True)
class Origin:
    """What a volume is made from, as far as it can be seen from here."""

    called: str
    format: str = ""
    capacity: int = 0
    path: str = ""
    checksum: str = ""
    holds: int = 0  # the capacity that it will have at least, where nothing else is to follow of it
    layout: Mapping[Key, Any] = field(default_factory=dict)

    @property
    def least(self) -> int:
        """The bytes below which what is made from it would be cut off."""
        return self.capacity or self.holds


def capacity_of_new(
    wanted: Wanted, origin: Origin | None, form: str, mistakes: Mistakes
) -> str | None:
    """What is said, or what follows of what it is made from."""
    said = wanted.values.get(CAPACITY)
    if origin is None:
        if said is None:
            mistakes.add("is needed for a volume that is made empty; such as 20GiB", "capacity")
        return said
    if said is None:
        return format_size(_rounded_up(origin.capacity, wanted, form)) if origin.capacity else None
    if parse_size(said) < origin.least:
        has = format_size(origin.least)
        mistakes.add(
            f"{said} is less than the {has} of {origin.called}; declare as much, or leave it out",
            "capacity",
        )
    return said


def _rounded_up(capacity: int, wanted: Wanted, form: str) -> int:
    """libvirt hands qemu-img whole KiB for a clone; a copy in qcow2 has whole sectors."""
    unit = 1
    if wanted.options.get("backing"):
        unit = KIB
    elif wanted.options.get("copy_of") and form == "qcow2":
        unit = SECTOR
    return -(-capacity // unit) * unit
