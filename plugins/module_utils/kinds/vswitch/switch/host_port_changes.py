# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan says of host ports, and what must hold of those that come or change. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ....engine.changes import LIVE, Came, Change, Went
from ....engine.comparing import compare
from ....engine.errors import FleetError
from ....engine.keepers import KEEPERS, NETWORKD
from ....engine.keys import ABSENT, Values
from ..changes import PortCame, PortWent, Wired
from . import host_port_rules as rules
from .host_ports import HostPort, every_address, values_of
from .seen import Switch

Links = Mapping[str, Mapping[str, Any]]


def changes(resource: str, now: Switch, will: Switch, links: Links) -> Iterator[Change]:
    """The ports that come, go, or have other values."""
    stored, wanted = values_of(now.host_ports), values_of(will.host_ports)
    want: Values = {key: ABSENT for key in stored if len(key) == 2 and key not in wanted}
    # Of a new one what is said of it.
    want.update((key, value) for key, value in wanted.items() if value or key in stored)
    moved = _moved(now, will, links)
    for change in compare(resource, want, stored, None, lambda *_: LIVE):
        port = next((one for one in will.host_ports if one.name == change.field[1]), None)
        yield _typed(change, _note(port, moved))


def _typed(change: Change, note: str) -> Change:
    said = change.resource, change.field, change.before, change.after, LIVE
    if isinstance(change, Came):
        return PortCame(*said, note=note, fields=change.fields)
    if isinstance(change, Went):
        return PortWent(*said, note="its addresses go", fields=change.fields)
    return Wired(*said, note=note)


def _moved(now: Switch, will: Switch, links: Links) -> dict[str, str]:
    """The addresses that are on an uplink now, each with that."""
    new = every_address(will.host_ports) - every_address(now.host_ports)
    return {
        one: nic
        for nic in will.nics
        for one in links.get(nic, {}).get("addresses", ())
        if one in new
    }


def _note(port: HostPort | None, moved: Mapping[str, str]) -> str:
    mine = [] if port is None else [one for one in port.addresses if one in moved]
    return ", ".join(f"{one} moves from {moved[one]}" for one in mine)


# ---- what must hold


def check(
    now: Switch, will: Switch, bridge: str, of_linux: bool, links: Links
) -> Iterator[FleetError]:
    """The mistakes of those that there will be."""
    yield from rules.check(will, of_linux)
    yield from rules.beside_others(now, will, bridge, links)
    if not of_linux:
        yield from rules.of_others(will, bridge)


def freed(links: Links, will: Switch, keeper: str) -> Links:
    """The interfaces without what host ports take over from the uplinks. What another keeps than
    who is to keep the switch stays: that would set it again."""
    if keeper not in ("", KEEPERS[will.backend or NETWORKD]) or not will.host_ports:
        return links
    taken, has_way_out = every_address(will.host_ports), any(p.gateways for p in will.host_ports)
    return {
        name: _freed(link, taken, has_way_out) if name in will.nics else link
        for name, link in links.items()
    }


def _freed(link: Mapping[str, Any], taken: set[str], has_way_out: bool) -> Mapping[str, Any]:
    left = [one for one in link["addresses"] if one not in taken]
    return {**link, "addresses": left, "default": link["default"] and not has_way_out}


def without(links: Links, was: Switch, bridge: str) -> Links:
    """The interfaces without what the host has by ports that go with their bridge."""
    if bridge not in links:
        return links
    taken = every_address(was.host_ports)
    return {**links, bridge: _freed(links[bridge], taken, bool(taken))}
