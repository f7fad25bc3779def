# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a VM can move at all, as far as its own host tells: known before anybody asks."""

from __future__ import annotations

from typing import Any

from ..engine.plan import Have
from .bindings import Bound, bound
from .findings import FAIL
from .options import LIVE, OFFLINE


def standing(have: Have, snapshots: int) -> dict[str, Any]:
    """By which mode a VM can move, and why not by another: `live`, `offline`, `reasons`.

    Of a VM that runs the reasons are those against live, of others those against offline: what is
    only its state now is none.
    """
    runs = have.definition if have.live is None else have.live
    found = [*bound(have, runs), *bound_by_snapshots(snapshots)]
    live = [one for one in found if one.live == FAIL]
    offline = [one for one in found if one.offline == FAIL]
    against = dict.fromkeys(one for one in (*live, *offline) if not _is_power(one))
    return {
        LIVE: not live,
        OFFLINE: not offline,
        "reasons": [f"{_modes(one)}: {one.about}: {one.message}; {one.todo}" for one in against],
    }


def bound_by_snapshots(number: int) -> list[Bound]:
    """libvirt refuses to move a VM of whose snapshots it has records, in any mode."""
    if not number:
        return []
    what = "1 snapshot" if number == 1 else f"{number} snapshots"
    message = f"libvirt has records of {what}, and moves no VM with any"
    todo = "merge or delete them first (virsh blockcommit, snapshot-delete)"
    return [Bound("snapshots", "snapshots", message, todo, FAIL, FAIL)]


def _modes(one: Bound) -> str:
    modes = [mode for mode, result in ((LIVE, one.live), (OFFLINE, one.offline)) if result == FAIL]
    return " and ".join(modes)


def _is_power(one: Bound) -> bool:
    """Whether it is of being on or off at the moment."""
    return (one.check, one.about) == ("state", "state") and one.live != one.offline
