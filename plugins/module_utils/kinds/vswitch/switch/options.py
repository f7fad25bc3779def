# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of the switch beneath a vswitch: rows of what stands in no XML of libvirt's.

Open vSwitch keeps them in its own database, which is both what is stored and what runs. A bridge of
Linux is stored in files of the host's network manager.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ....engine.codecs import Codec, Value, choice, texts
from ....engine.fields import Field, Rows
from ....engine.keepers import BY_NETWORK_MANAGER, NETWORKD
from ....engine.keys import Key, Values, is_within
from ....engine.vlans import vlan_ranges
from . import overlay
from .host_ports import HOST_PORTS, INTERFACE, ITEMS

ACTIVE_BACKUP, LACP, BALANCE_SLB = "active_backup", "lacp", "balance_slb"
BALANCE_XOR = "balance_xor"

NICS, TEAMING, PRIMARY = ("uplinks", "nics"), ("uplinks", "teaming"), ("uplinks", "primary")
VLANS = ("uplinks", "vlans")
MTU = ("mtu",)  # a row of libvirt's where libvirt makes the bridge
BACKEND = ("backend",)
OF_SWITCH: tuple[Key, ...] = (NICS, TEAMING, PRIMARY, VLANS, MTU, BACKEND, *overlay.KEYS)


def _nics() -> Codec:
    """Interfaces in alphabetical order, since a bond has none."""
    inner = texts(INTERFACE)

    def parse(given: Any) -> list[Value]:
        said: list[Value] = inner.parse(given)
        twice = sorted({one for one in said if said.count(one) > 1})
        if twice:
            raise ValueError(f"has {', '.join(twice)} twice")
        return sorted(said)

    return replace(inner, parse=parse)


ROWS: Rows = (
    Field("uplinks.nics", "", _nics()),
    Field("uplinks.teaming", "", choice(ACTIVE_BACKUP, LACP, BALANCE_SLB, BALANCE_XOR)),
    Field("uplinks.primary", "", INTERFACE),
    Field("uplinks.vlans", "", vlan_ranges()),
    *overlay.ROWS,
    Field("backend", "", choice(NETWORKD, BY_NETWORK_MANAGER)),
    ITEMS,
)


def taken_out(want: Values, has_switch: bool) -> Values:
    """Take out of what is wanted what is the switch's, and no network's."""
    mine = {*OF_SWITCH} if has_switch else {*OF_SWITCH} - {MTU}
    return {key: want.pop(key) for key in [*want] if key in mine or is_within(key, HOST_PORTS)}
