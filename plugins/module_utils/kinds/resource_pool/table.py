# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of a resource pool, and where a slice's unit file has them.

Source: systemd.resource-control(5). What systemd does not know is in a section of ours, which it
skips, as all whose names begin with `X-`.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from ...engine.changes import Changed
from ...engine.codecs import Codec, Value, boolean, cores, text
from ...engine.fields import Field, Rows
from ...engine.keys import key_of
from ...engine.mark import SCOPE
from ...engine.traits import GONE, Trait, Traits, state_codec, state_of
from ...engine.units import cores_of, format_size, parse_cores, parse_size
from .unit import Place

OURS = "X-kvm-fleet"
NAME_OF = (OURS, "Name")
PRESENT = "present"

PAGE = 4096
HIGHEST_WEIGHT = 10_000
# As a VM with four vCPUs has them.
SHARES = {"low": 200, "normal": 400, "high": 800}
YES = ("yes", "y", "true", "t", "on", "1")
_SIZES = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40, "P": 2**50}


# ---- codecs


def quota() -> Codec:
    """A number of cores, as systemd writes it: in percent of one."""
    plain = cores()

    def decode(found: str | None) -> Value:
        match = re.fullmatch(r"(\d+)(?:\.(\d*))?\s*%", found or "")
        if not match or (match[2] or "0").rstrip("0")[1:]:
            return found or 0  # words of others, or finer than a thousandth
        return cores_of(int(match[1]) * 10 + int((match[2] or "0")[:1] or 0))

    def encode(value: Value) -> str | None:
        whole, tenth = divmod(parse_cores(value), 10)
        return f"{whole}.{tenth}%" if tenth else f"{whole}%" if whole else None

    return replace(plain, decode=decode, encode=encode)


def shares() -> Codec:
    """A weight among siblings, as a number or a word for one; 0 is what says none."""

    def parse(given: Any) -> int:
        if given in SHARES:
            return SHARES[given]
        if not re.fullmatch(r"[0-9]{1,5}", str(given)) or int(given) > HIGHEST_WEIGHT:
            raise ValueError(
                f"{given!r} is none of {', '.join(SHARES)}, and no number from 1 to "
                f"{HIGHEST_WEIGHT}; 0 takes it away"
            )
        return int(given)

    def decode(found: str | None) -> Value:
        is_number = re.fullmatch(r"\d+", found or "")
        return int(found or 0) if is_number else found or 0

    return Codec(parse, decode, lambda value: str(value) if value else None)


def kernel_size(unlimited: str = "") -> Codec:
    """A size in whole pages, in bytes as the kernel has it; `0B` takes it away.

    A limit has a word for that there is none, and one of nothing at all is no limit of ours.
    """

    def parse(given: Any) -> str:
        number = parse_size(given)
        if number % PAGE:
            raise ValueError(f"{given} is no multiple of {format_size(PAGE)}")
        return format_size(number)

    def decode(found: str | None) -> Value:
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGTP]?)", found or "")
        if not match or (unlimited and not float(match[1])):
            return "0B" if found in (None, "", unlimited) else found
        number = float(match[1]) if "." in match[1] else int(match[1])
        return format_size(int(number * _SIZES[match[2]]))

    def encode(value: Value) -> str | None:
        return None if value == "0B" else str(parse_size(value))

    return Codec(parse, decode, encode)


def yes_no() -> Codec:
    """A boolean, as systemd reads one; what is not said is false."""
    return Codec(
        bool,
        lambda found: (found or "").lower() in YES,
        lambda value: "yes" if value else None,
        {"type": "bool"},
    )


def words() -> Codec:
    """A line in which systemd has a meaning for `%`."""
    line = text(r"[^\x00-\x1f\x7f]*[^\x00-\x1f\x7f\\]", "one line that ends in no backslash")
    return replace(
        line,
        decode=lambda found: (found or "").replace("%%", "%"),
        encode=lambda value: value.replace("%", "%%") or None,
    )


# ---- the table

ROWS: Rows = (
    Field("description", "Unit/Description!", words()),
    Field("cpu.shares", "Slice/CPUWeight!", shares()),
    Field("cpu.limit", "Slice/CPUQuota!", quota()),
    Field("memory.reservation", "Slice/MemoryMin!", kernel_size()),
    Field("memory.low", "Slice/MemoryLow!", kernel_size()),
    Field("memory.limit", "Slice/MemoryMax!", kernel_size("infinity")),
    Field("cpu.reservation", f"{OURS}/CPUReservation!", cores()),
    Field("expandable", f"{OURS}/Expandable!", yes_no()),
    Field("protected", f"{OURS}/Protected!", yes_no()),
    Field("scope", f"{OURS}/Scope!", SCOPE),
)

# What the kernel has nothing of.
AT_REST = tuple(
    key_of(row.name) for row in ROWS if isinstance(row, Field) and not row.path.startswith("Slice/")
)
PLACES: dict[str, Place] = {
    row.name: (row.path.split("/")[0], row.path.split("/")[1].rstrip("!"))
    for row in ROWS
    if isinstance(row, Field)
}
# In the order in which a new file has them.
MANAGED: tuple[Place, ...] = tuple(
    place
    for section in ("Unit", "Slice", OURS)
    for place in (NAME_OF, *PLACES.values())
    if place[0] == section
)

# Whether it is the collection's to say what it holds: all that is declared is, others' may not be.
_STATES = state_codec(PRESENT, GONE, default=PRESENT)
TRAITS: Traits = (
    Trait(
        "managed", boolean(), gone=True, new=lambda _state: True, is_option=False, change=Changed
    ),
    state_of(_STATES, new=PRESENT),
)
