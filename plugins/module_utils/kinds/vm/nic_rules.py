# SPDX-License-Identifier: GPL-3.0-or-later
"""What NICs are to have by the vswitches that they are on, and what of theirs is not possible
there. Each rule is in a file of its own."""

from __future__ import annotations

from collections.abc import Iterator

from ...engine.errors import Mistakes
from ...engine.keys import Values
from ...engine.world import World
from ...engine.xmltree import Element
from . import nic_filters, nic_groups, nic_isolation, nic_limits, nic_vlans


def follow(want: Values, stored: Values, world: World, mistakes: Mistakes) -> None:
    """Add what NICs are to have by their port groups, and take away what they have so no more."""
    nic_groups.check(want, stored, world, mistakes)
    nic_vlans.settle(want, stored)
    nic_isolation.follow(want, stored, world, mistakes)
    nic_filters.follow(want, stored, world, mistakes)


def check(
    domain: Element, before: Element | None, world: World, mistakes: Mistakes
) -> Iterator[str]:
    """Collect what cannot be; what is so already is no mistake. What is to be said beside is told:
    limits that are none, and what is taken to come before the run."""
    nic_vlans.check(domain, before, world, mistakes)
    nic_isolation.check(domain, before, world, mistakes)
    yield from nic_limits.unlimited(domain, before, world)
    yield from nic_filters.check(domain, before, world, mistakes)
