# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of a storage volume, and what it has beside that.

Source of the paths: https://libvirt.org/formatstorage.html.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ...engine.codecs import Codec, choice, size
from ...engine.fields import Field, Rows
from ...engine.traits import GONE, Traits, state_codec, state_of
from ...engine.units import format_size, parse_size


def _capacity() -> Codec:
    def parse(given: Any) -> str:
        number = parse_size(given)
        if number == 0 or number % 1024:  # libvirt hands whole KiB to qemu-img
            raise ValueError(f"{given} is no multiple of 1KiB above zero")
        return format_size(number)

    return replace(size(), parse=parse)


ROWS: Rows = (
    Field("capacity", "capacity", _capacity()),
    Field("format", "target/format/@type", choice("qcow2", "raw")),
)

PRESENT = "present"
_STATES = state_codec(PRESENT, GONE, default=PRESENT)

TRAITS: Traits = (state_of(_STATES, new=PRESENT),)
