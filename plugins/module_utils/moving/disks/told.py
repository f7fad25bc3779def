# SPDX-License-Identifier: GPL-3.0-or-later
"""What is told of a disk that lives in its pool: where, what it has left, how it is declared."""

from __future__ import annotations

from typing import Any

from .checks import is_given
from .planned import Planned


def told(planned: Planned) -> dict[str, Any]:
    """The disk as it is once the plan is done, without what is not known or does not apply."""
    move, fate = planned.move, planned.fate
    spot = move.here if fate is None else move.there
    said: dict[str, Any] = {
        "path": spot.path,
        "pool": spot.pool,
        "volume": spot.volume,
        "format": move.format if fate is None else fate.format,
    }
    if fate is not None:
        said.update(how=fate.how, backing=fate.backing, capacity_bytes=fate.capacity)
        said["source"] = fate.source
    elif planned.ends is not None:
        said["source"] = planned.ends.source
    known = {key: value for key, value in said.items() if value}
    return {"name": move.wanted.disk, "target": move.target, **known, "declare": _declare(planned)}


def _declare(planned: Planned) -> dict[str, str]:
    """By which options of kvm.fleet.vm the disk is declared where it is then."""
    move, fate = planned.move, planned.fate
    spot = move.here if fate is None else move.there
    form = {"format": move.format if fate is None else fate.format}
    if is_given(move):  # libvirt has it by its device from then on
        return {"device": spot.path, **form}
    return {"pool": spot.pool, "volume": spot.volume, **form}
