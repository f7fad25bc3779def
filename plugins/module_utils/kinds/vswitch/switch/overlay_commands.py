# SPDX-License-Identifier: GPL-3.0-or-later
"""What ovs-vsctl is told of tunnels, in the transaction that makes their bridge. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .overlay import Overlay, port_to, tunnels

OVERLAY = "kvm-fleet-overlay"  # in external_ids: of a bridge the note, of a port its peer

Command = list[str]
NO_VLANS: tuple[int, list[int], str] = (0, [], "")  # by a tunnel all frames pass as they are


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
    found = seen.get("tunnels", {}).items()
    return {name: one for name, one in found if one["bridge"] == bridge and is_own(name, one)}


def is_own(name: str, one: Mapping[str, Any]) -> bool:
    """Whether a tunnel was made here; somebody may have taken its mark away."""
    to = str(one["options"].get("remote_ip", ""))
    return bool(one["peer"]) or name == port_to(one["bridge"], to)


def of_others(seen: Mapping[str, Any], bridge: str) -> list[str]:
    """The tunnels of a bridge that somebody else made."""
    there = {n for n, one in seen.get("tunnels", {}).items() if one["bridge"] == bridge}
    return sorted(there - own(seen, bridge).keys())


def astray(
    seen: Mapping[str, Any], bridge: str, stored: Overlay | None, will: Overlay | None
) -> Iterator[tuple[str, str, str]]:
    """Of each tunnel that is otherwise than noted what it is, and what it is to be. One that is to
    come is not in the way where it is there already."""
    wanted, there = tunnels(bridge, stored), own(seen, bridge)
    for name in sorted(there.keys() - wanted.keys() - tunnels(bridge, will).keys()):
        to = there[name]["peer"] or there[name]["options"]["remote_ip"]
        yield f"tunnel to {to}", "there", "not there"
    for name, peer in wanted.items():
        if stored is None:
            return
        found, said = there.get(name), _said(stored, peer)
        was = "not there" if found is None else _as_found(found, peer, _vlans(seen, name))
        if was != said:
            yield f"tunnel to {peer}", was, said


def _said(will: Overlay, peer: str) -> str:
    made = {"type": will.type, "options": options(will, peer), "protected": True, "peer": peer}
    return _as_found(made, peer, NO_VLANS)


def _vlans(seen: Mapping[str, Any], name: str) -> Sequence[Any]:
    return tuple(seen.get("ports", {}).get(name, NO_VLANS))


def _as_found(found: Mapping[str, Any], peer: str, vlans: Sequence[Any]) -> str:
    """A tunnel in one line."""
    said = [found["type"], *(f"{of}={value}" for of, value in sorted(found["options"].items()))]
    tag, trunks, mode = vlans
    said += [f"tag={tag}"] if tag else []
    said += [f"trunks={','.join(map(str, trunks))}"] if trunks else []
    said += [f"vlan_mode={mode}"] if mode else []
    said += [] if found["protected"] else ["unprotected"]
    return " ".join(said if found["peer"] == peer else [*said, f"marked {found['peer'] or 'no'}"])


def in_error(seen: Mapping[str, Any], bridge: str, will: Overlay) -> dict[str, str]:
    """What Open vSwitch says of each of the tunnels that it has stored and cannot make."""
    there = own(seen, bridge)
    wanted = tunnels(bridge, will).items()
    errors = {peer: str(there[name]["error"]) for name, peer in wanted if name in there}
    return {peer: error for peer, error in errors.items() if error}
