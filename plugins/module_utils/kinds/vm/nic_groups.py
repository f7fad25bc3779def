# SPDX-License-Identifier: GPL-3.0-or-later
"""Port groups that NICs name. libvirt takes a name that no group has, and gives the NIC nothing."""

from __future__ import annotations

from ...engine.errors import Mistakes
from ...engine.keys import UNION, Key, Values
from ...engine.world import World
from ..vswitch.attached import port_groups_of
from .following import followed
from .nic_rows import NICS

GROUP = ("port_group",)


def check(want: Values, stored: Values, world: World, mistakes: Mistakes) -> None:
    """Collect the NICs that would come into a port group that is not there, and those of the run
    whose port group goes in it; those that are in such a one already stay in it."""
    for key, network, group in followed(want, stored, world, GROUP, lambda _key: False):
        has = sorted(name for one in network.findall("portgroup") if (name := one.get("name")))
        vswitch = (want.get((*key, UNION)) or stored[(*key, UNION)])["vswitch"]
        goes = group in port_groups_of(world.was("vswitch", vswitch))
        if not group or group in has or not (goes or _comes(key, want, stored)):
            continue
        message = (
            f"the vswitch {vswitch} has no port group {group}; it has {', '.join(has) or 'none'}"
        )
        mistakes.add(message, ".".join((NICS.name, key[1], *GROUP)))


def _comes(key: Key, want: Values, stored: Values) -> bool:
    at = ((*key, UNION), (*key, *GROUP))
    return any(want.get(one) not in (None, stored.get(one)) for one in at)
