# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of a bridge of Linux that NetworkManager keeps. Pure; each function says one rule."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ....engine.errors import FleetError
from ....engine.keys import named
from .options import NICS
from .overlay import OVERLAY
from .seen import Switch

Links = Mapping[str, Mapping[str, Any]]
CARDS = ("", "veth")  # what a connection of type ethernet is of


def check(
    will: Switch, new: Iterable[str], told: Mapping[str, Any], links: Links
) -> Iterator[FleetError]:
    """The mistakes of one that is made or changed, with uplinks that are `new`."""
    if will.overlay is not None:
        yield FleetError(
            "is not possible where NetworkManager keeps the bridge: its VXLAN has one peer; "
            "declare backend: networkd where systemd-networkd is to keep it beside",
            "",
            named(OVERLAY),
        )
    unmanaged = told.get("unmanaged", ())
    for nic in new:
        kind = links.get(nic, {}).get("kind", "")
        if kind not in CARDS:
            yield _wrong(f"{nic} is a {kind}; by NetworkManager network cards are uplinks only")
        elif nic in unmanaged:
            yield _wrong(
                f"{nic} is none that NetworkManager manages; look at unmanaged-devices in its "
                "settings and at /etc/network/interfaces (nmcli device set "
                f"{nic} managed yes is for now only)"
            )


def left_aside(new: Iterable[str], told: Mapping[str, Any]) -> Iterator[str]:
    """What is to be said of connections that others made for uplinks."""
    active = told.get("active", {})
    for nic in new:
        if nic in active:
            yield (
                f"the connection {active[nic]} of NetworkManager, which {nic} has, stays as it is, "
                "and is not used as long as that is an uplink"
            )


def _wrong(message: str) -> FleetError:
    return FleetError(message, "", named(NICS))
