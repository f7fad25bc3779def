# SPDX-License-Identifier: GPL-3.0-or-later
"""Two runs at once do not both promise the last of what a host has.

Plans are made without a lock: most promise nothing new, and are no other's business. Those that do
wait for their turn, and are then admitted again, by what has been promised meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from ..engine.errors import Doubt, FleetErrors
from ..engine.plan import Plan
from ..engine.world import World
from ..host.connection import Host


@contextmanager
def in_turn(host: Host, world: World, plans: Sequence[Plan]) -> Iterator[None]:
    """Apply in here what was planned. FleetErrors if others were promised by now what it takes."""
    from ..kinds.together import admission

    if not host.is_local or not admission.promises(plans, world):
        yield
        return
    from ..host import turns

    with turns.in_turn(turns.lock_of(host), "change what the host promises"):
        with host.errors("", "tell what it has promised by now"):
            said = admission.admitted(plans, _by_now(world, plans))
            mistakes = [error for error in said if not isinstance(error, Doubt)]
        if mistakes:
            raise FleetErrors(mistakes)
        yield


def _by_now(world: World, plans: Sequence[Plan]) -> World:
    """The host as it is at this moment, with the same plans for it."""
    fresh = world.anew()
    fresh.admission, fresh.declared = world.admission, world.declared
    for plan in plans:
        fresh.add(plan)
    return fresh


def clear_faults(told: Sequence[str]) -> None:
    """Forget what went wrong with libvirt's hook and has been told."""
    from ..host import noted
    from ..host.capacity import SYSTEM

    with suppress(OSError):  # without the right to strike them out they are told again
        noted.clear_faults(SYSTEM, told)
