# SPDX-License-Identifier: GPL-3.0-or-later
"""By which mode a VM moves, and why by that."""

from __future__ import annotations

from typing import NamedTuple


class Mode(NamedTuple):
    """How a VM moves."""

    name: str  # live or offline
    storage: str  # shared, or copied where the data of some disk has to go over
    why: str
