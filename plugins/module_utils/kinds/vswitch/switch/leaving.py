# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of the switch beneath a vswitch that goes, or that is put on another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from ....engine.changes import LIVE, Change, Kept
from ....engine.traits import GONE
from ..changes import BridgeGone
from ..table import BRIDGE_NAME, OPENVSWITCH, TYPE
from . import guarding, host_port_changes, rules, seen
from .host_ports import HostPort
from .makers import LINUX, MAKERS

if TYPE_CHECKING:
    from ..draft import VswitchDraft

FIELD = ("switch",)


def stays_behind(draft: VswitchDraft) -> str:
    """What is to be said where a vswitch leaves the bridge that was made for it; empty else."""
    was = seen.of_facts(draft.have.facts)
    bridge = draft.stored.get(BRIDGE_NAME)
    if was is None or bridge == draft.after[BRIDGE_NAME]:
        return ""
    if not was.owner and was.overlay is not None:
        peers = ", ".join(was.overlay.peers)
        return f"its tunnels to {peers} stay on {bridge}; declare overlay.peers: [] there first"
    if was.owner != draft.wanted.name:
        return ""
    how = MAKERS[str(draft.stored[TYPE])].removed.format(bridge)
    return f"the bridge {bridge}, which was made for it, stays: {how}"


def gone_with(draft: VswitchDraft) -> Iterable[Change]:
    """What becomes of the switch beneath a vswitch that goes; of those of others, nothing."""
    was = seen.of_facts(draft.have.facts)
    if was is None:
        return _unseen(draft)
    if was.owner not in ("", draft.wanted.name):
        return []
    bridge = str(draft.stored[BRIDGE_NAME])
    maker = MAKERS[str(draft.stored[TYPE])]
    if not was.owner:
        from . import overlay_planned

        also = ", ".join(f"vswitch/{name}" for name in _also_on(draft, bridge))
        found = maker.seen(draft.world.host)
        return overlay_planned.gone(draft.wanted.resource, found, bridge, also)
    guarding.refuse_to_go(draft, was, bridge, maker is LINUX)
    said, host = maker.bridge.format(bridge), draft.world.host
    found = maker.seen(host)
    links = host_port_changes.without(host.links, was, bridge)
    others = seen.others_on(found, bridge)
    on_it = rules.of_host_on(found, links, bridge)
    others += [f"the host, with {on_it}"] if on_it else []
    others += [f"vswitch/{name}" for name in _also_on(draft, bridge)]
    if others:
        return [
            Kept(draft.wanted.resource, FIELD, said, note=f"others are on it: {', '.join(others)}")
        ]
    freed = f"; without anything on them stay {', '.join(was.nics)}" if was.nics else ""
    if was.host_ports:
        freed += f"; its host ports go: {', '.join(map(_with_addresses, was.host_ports))}"
    if was.overlay is not None:
        freed += f"; its tunnels go: {', '.join(was.overlay.peers)}"
    note = f"it was made for this vswitch{freed}"
    return [BridgeGone(draft.wanted.resource, FIELD, said, GONE, LIVE, note=note)]


def _unseen(draft: VswitchDraft) -> list[Change]:
    """What is to be said of a bridge that nobody sees, and that may have been made for it."""
    if draft.stored.get(TYPE) != OPENVSWITCH or not draft.world.host.is_this_machine:
        return []
    if not (why := draft.world.host.open_vswitch["error"]):
        return []
    bridge = draft.stored[BRIDGE_NAME]
    maker = MAKERS[OPENVSWITCH]
    note = f"if it was made for this vswitch, {maker.removed.format(bridge)}; {why}"
    return [Kept(draft.wanted.resource, FIELD, maker.bridge.format(bridge), note=note)]


def _with_addresses(port: HostPort) -> str:
    return f"{port.name} ({', '.join(port.addresses)})" if port.addresses else port.name


def _also_on(draft: VswitchDraft, bridge: str) -> Iterator[str]:
    for name, have in draft.world.everything("vswitch").items():
        if (
            name != draft.wanted.name
            and have.definition.find(f"bridge[@name='{bridge}']") is not None
        ):
            yield name
