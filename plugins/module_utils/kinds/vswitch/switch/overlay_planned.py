# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan for a switch says of its overlay, and what must hold of it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ....engine.changes import LIVE, Change, Kept
from ....engine.keys import Key, named
from ....engine.traits import GONE
from ..changes import TunnelsGone
from ..table import BRIDGE_NAME, TYPE
from ..tree import values_of
from . import overlay_commands, overlay_rules
from .linux_names import tunnel_of
from .makers import LINUX
from .options import MTU
from .overlay import ID, LOCAL, OVERLAY, PEERS, Overlay, overlay_of
from .seen import Switch

if TYPE_CHECKING:
    from .planned import Beneath


def check(beneath: Beneath, will: Switch, tunnels: Overlay) -> None:
    """Collect the mistakes of the overlay that there will be, and say what is to be known of it."""
    mistakes, links = beneath.draft.mistakes, beneath.draft.world.host.links
    if beneath.maker is LINUX:
        _check_on_linux(beneath, tunnels)
    mistakes.extend(overlay_rules.check(tunnels))
    mistakes.extend(overlay_rules.beside_uplinks(will))
    mistakes.extend(overlay_rules.through_itself(will))
    mistakes.extend(overlay_rules.own_address(tunnels, links))
    mistakes.extend(overlay_rules.of_no_host(tunnels, links))
    mistakes.extend(overlay_rules.with_wires(beneath.seen, beneath.bridge, links))
    others = _others(beneath)
    for whose, (type_of, other, _bridge) in others.items():
        is_alike = type_of == beneath.draft.after[TYPE]
        turn = _becomes(beneath, whose, other), _number_now(beneath)
        mistakes.extend(overlay_rules.taken(tunnels, whose, other, is_alike, *turn))
    bridges = {beneath.bridge, *(bridge for _type, _other, bridge in others.values())}
    mistakes.extend(overlay_rules.led_by_others(tunnels, bridges, beneath.seen))
    mistakes.raise_any()
    _check_local(beneath, tunnels)
    _check_mtu(beneath, will, tunnels)
    of_others = overlay_commands.of_others(beneath.seen, beneath.bridge)
    beside = {*of_others, *overlay_rules.beside_others(beneath.seen, beneath.bridge, links)}
    if beside:
        beneath.draft.warnings.append(
            f"{', '.join(sorted(beside))} on {beneath.bridge} is of others, and stays; frames pass "
            "between it and the tunnels to peers, in circles where it leads to these as well"
        )


def _number_now(beneath: Beneath) -> int:
    now = beneath.now.overlay if beneath.now is not None else None
    return now.id if now is not None else 0


def _becomes(beneath: Beneath, whose: str, other: Overlay) -> int:
    """Another number that another vswitch is to have in the same run; 0 for none."""
    wanted = beneath.draft.world.declared.get(("vswitch", whose.split("/", 1)[1]))
    said = int(wanted.values.get(ID, 0)) if wanted is not None else 0
    return said if said != other.id else 0


def _check_on_linux(beneath: Beneath, tunnels: Overlay) -> None:
    mistakes, host = beneath.draft.mistakes, beneath.draft.world.host
    mistakes.extend(overlay_rules.on_linux(tunnels))
    name, had = tunnel_of(beneath.bridge), beneath.now is not None and beneath.now.overlay
    if name in host.links and not had:
        mistakes.add(f"the host has an interface {name} already", named(OVERLAY))
    links = host.linux_bridges.get("links", {})
    whose = {tunnel_of(bridge) for bridge, of in beneath.seen["bridges"].items() if of["owner"]}
    others = {of: link for of, link in links.items() if of not in whose}
    mistakes.extend(overlay_rules.linked_by_others(tunnels, name, others))


def _others(beneath: Beneath) -> Mapping[str, tuple[str, Overlay, str]]:
    """The overlays of other vswitches, as they are and as this run makes them, with their types and
    bridges."""
    found = {}
    for name, have in beneath.draft.world.everything("vswitch").items():
        one = overlay_of(have.facts.get("overlay"))
        said = values_of(have.definition) if one is not None else {}
        if one is not None and said[BRIDGE_NAME] != beneath.bridge:
            found[f"vswitch/{name}"] = (said[TYPE], one, str(said[BRIDGE_NAME]))
    return found


def check_ports(beneath: Beneath, tunnels: Overlay) -> None:
    """Say which tunnels of Open vSwitch lead nowhere, though they are stored, and which ports are
    in their place."""
    beneath.draft.mistakes.extend(overlay_rules.elsewhere(tunnels, beneath.bridge, beneath.seen))
    for peer, error in overlay_commands.in_error(beneath.seen, beneath.bridge, tunnels).items():
        beneath.draft.warnings.append(
            f"the tunnel to {peer} does not work, says Open vSwitch: {error}"
        )


def _check_local(beneath: Beneath, tunnels: Overlay) -> None:
    """The address of this host, which may come with a host port of another switch."""
    draft = beneath.draft
    haves = draft.world.planned("vswitch")
    ports = (port for have in haves for port in have.facts.get("host_ports", ()))
    comes = [one for port in ports for one in port.get("addresses", ())]
    unknown = overlay_rules.unknown_local(tunnels, draft.world.host.links, comes)
    if unknown and draft.world.assume_on_host:
        draft.warnings.append(f"{unknown}; taken to be there when a run comes")
    elif unknown:
        draft.mistakes.add(unknown, named(LOCAL))


def _check_mtu(beneath: Beneath, will: Switch, tunnels: Overlay) -> None:
    draft, links = beneath.draft, beneath.draft.world.host.links
    too_large = overlay_rules.too_large(will.mtu, tunnels, links)
    if too_large:
        draft.mistakes.add(too_large, named(MTU))
    for_guests = overlay_rules.for_guests(will.mtu, tunnels, links)
    draft.warnings += [for_guests] if for_guests else []


def astray(beneath: Beneath) -> Iterator[tuple[str, str, str]]:
    """What of the tunnels of Open vSwitch is otherwise than it is stored."""
    now = beneath.now
    if now is not None and now.owner in ("", beneath.name):
        will = None if beneath.will is None else beneath.will.overlay
        yield from overlay_commands.astray(beneath.seen, beneath.bridge, now.overlay, will)


def gone(resource: str, seen: Mapping[str, Any], bridge: str, also: str) -> Iterator[Change]:
    """What becomes of tunnels of ours on a bridge of others, from which its vswitch goes."""
    own = overlay_commands.own(seen, bridge)
    peers = sorted(one["peer"] or one["options"]["remote_ip"] for one in own.values())
    said = f"tunnels to {', '.join(peers)}"
    if own and also:
        yield Kept(resource, OVERLAY, said, note=f"others are on the bridge: {also}")
    elif own:
        note = f"no vswitch has them any more; the bridge {bridge} is of others, and stays"
        yield TunnelsGone(resource, OVERLAY, said, GONE, LIVE, note=note)


def note(beneath: Beneath, key: Key, whom: str) -> str:
    """For whom what pauses, or ends, as one option of it changes."""
    now, will = beneath.now or Switch(), beneath.will or Switch()
    if now.overlay is None:
        return ""
    if will.overlay is None:
        return f"no other host is reached any more, for {whom}" if key == PEERS else ""
    if key == PEERS:
        gone = ", ".join(one for one in now.overlay.peers if one not in will.overlay.peers)
        once = ", once it does not name this host either," if beneath.maker is LINUX else ""
        return f"what is behind {gone} is reached no more{once or ','} for {whom}" if gone else ""
    if key == LOCAL:
        return f"what goes to other hosts pauses for a moment, for {whom}"
    return f"other hosts are reached again once they have the same, for {whom}"
