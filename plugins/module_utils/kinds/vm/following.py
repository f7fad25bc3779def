# SPDX-License-Identifier: GPL-3.0-or-later
"""Which NICs of a VM its plan has follow their port groups; all others follow by the vswitch's."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ...engine.keys import ABSENT, PRESENT, UNION, Key, Values
from ...engine.world import World
from ...engine.xmltree import Element
from .nic_rows import NICS


def followed(
    want: Values, stored: Values, world: World, option: Key, says: Callable[[Key], bool]
) -> Iterator[tuple[Key, Element, str]]:
    """The NICs on vswitches of the run, and those that come, move or say anything of an option,
    each with its network and port group. Of others nobody asks their vswitch."""
    keys = {key: None for key in (*want, *stored) if len(key) == 2 and key[0] == NICS.name}
    for key in keys:
        vswitch = _vswitch(key, want, stored)
        counts = ("vswitch", vswitch) in world.declared or says(key)
        counts = counts or _moves(key, want, stored, option)
        if not vswitch or not counts or want.get(key) is ABSENT:
            continue
        network = world.will_be("vswitch", vswitch).stored
        if network is not None:
            group = (*key, "port_group")
            yield key, network, str(want.get(group, stored.get(group)) or "")


def _moves(key: Key, want: Values, stored: Values, option: Key) -> bool:
    at = [(*key, UNION), (*key, "port_group"), (*key, *option)]
    moves = any(want.get(one) not in (None, stored.get(one)) for one in at)
    return moves or (want.get(key) is PRESENT and key not in stored)


def _vswitch(key: Key, want: Values, stored: Values) -> str:
    at = (*key, UNION)
    return str((want.get(at) or stored.get(at) or {}).get("vswitch") or "")
