# SPDX-License-Identifier: GPL-3.0-or-later
"""What ovs-vsctl is told of tunnels, in the transaction that makes their bridge. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from .overlay import Overlay, tunnels

OVERLAY = "kvm-fleet-overlay"  # in external_ids: of a bridge the note, of a port its peer

Command = list[str]


def making(seen: Mapping[str, Any], bridge: str, will: Overlay | None) -> Iterator[Command]:
    """The commands after which a bridge has the tunnels that it is to have, whatever it has now."""
    wanted, there = tunnels(bridge, will), own(seen, bridge)
    for name in sorted(there.keys() - wanted.keys()):
        yield ["--if-exists", "del-port", bridge, name]
    for name, peer in wanted.items():
        if will is not None:
            yield ["--may-exist", "add-port", bridge, name]
            yield from _interface(name, will, peer)
            yield ["clear", "Port", name, "tag", "trunks", "vlan_mode"]
            # From one peer to another nothing passes, or frames would go in circles.
            yield ["set", "Port", name, "protected=true", f"external_ids:{OVERLAY}={_quoted(peer)}"]
    if will is not None:
        yield ["set", "Bridge", bridge, f"external_ids:{OVERLAY}={_quoted(will.note)}"]
    elif seen.get("bridges", {}).get(bridge, {}).get("overlay"):
        yield ["remove", "Bridge", bridge, "external_ids", OVERLAY]


def _interface(name: str, will: Overlay, peer: str) -> Iterator[Command]:
    said = [f"options:{of}={_quoted(value)}" for of, value in options(will, peer).items()]
    yield ["set", "Interface", name, f"type={will.type}", *said]
    if not will.local:
        yield ["remove", "Interface", name, "options", "local_ip"]


def _quoted(text: str) -> str:
    """As ovs-vsctl reads what has colons and braces in it."""
    return json.dumps(text)


def options(will: Overlay, peer: str) -> dict[str, str]:
    """How the tunnel to a peer is set; what others add to that stays."""
    said = {"remote_ip": peer, "key": str(will.id), "dst_port": str(will.port)}
    return {**said, "local_ip": will.local} if will.local else said


def own(seen: Mapping[str, Any], bridge: str) -> dict[str, Any]:
    """The tunnels that were made here, by the names of their ports."""
    found = seen.get("tunnels", {})
    return {name: one for name, one in found.items() if one["bridge"] == bridge and one["peer"]}


def of_others(seen: Mapping[str, Any], bridge: str) -> list[str]:
    """The tunnels of a bridge that somebody else made."""
    found = seen.get("tunnels", {})
    return sorted(n for n, one in found.items() if one["bridge"] == bridge and not one["peer"])


def astray(
    seen: Mapping[str, Any], bridge: str, stored: Overlay | None
) -> Iterator[tuple[str, str, str]]:
    """Of each tunnel that is otherwise than noted what it is, and what it is to be."""
    wanted, there = tunnels(bridge, stored), own(seen, bridge)
    for name in sorted(there.keys() - wanted.keys()):
        yield f"tunnel to {there[name]['peer']}", "there", "not there"
    for name, peer in wanted.items():
        if stored is None:
            return
        found, will = there.get(name), _said(stored, peer)
        if found is None:
            yield f"tunnel to {peer}", "not there", will
        elif _as_found(found) != will:
            yield f"tunnel to {peer}", _as_found(found), will


def _said(will: Overlay, peer: str) -> str:
    return _as_found({"type": will.type, "options": options(will, peer), "protected": True})


def _as_found(found: Mapping[str, Any]) -> str:
    """A tunnel in one line."""
    said = [found["type"], *(f"{of}={value}" for of, value in sorted(found["options"].items()))]
    return " ".join(said if found["protected"] else [*said, "unprotected"])
