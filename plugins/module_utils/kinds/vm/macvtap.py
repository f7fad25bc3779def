# SPDX-License-Identifier: GPL-3.0-or-later
"""What a NIC on an interface of the host needs, and cannot have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...engine.errors import Mistakes
from ...engine.keys import UNION, Key, Values, named
from ...engine.world import World
from .nic_rows import MACVTAP


def check_macvtap(key: Key, after: Values, mistakes: Mistakes) -> None:
    """What libvirt has for other NICs only."""
    name = (*key, "filter", "name")
    if MACVTAP in (after.get((*key, UNION)) or {}) and after.get(name):
        message = "is for a NIC on a vswitch or a bridge, and libvirt forgets it on macvtap"
        mistakes.add(message, named(name))


def lacks_interface(world: World, said: Mapping[str, Any]) -> str:
    """The interface that this machine does not have, in words; nothing of another machine."""
    is_there = not world.host.is_this_machine or world.host.has_interface(said["dev"])
    return "" if is_there else f"the network device {said['dev']}"
