# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of overlays, and what a plan says of one. Pure; each function says one rule."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Container, Iterable, Iterator, Mapping
from typing import Any

from ....engine.errors import FleetError
from ....engine.keys import Key, named
from .overlay import (
    ID,
    LOCAL,
    OVERLAY,
    PEERS,
    PORT,
    PORTS,
    TYPE,
    VXLAN,
    Overlay,
    families,
    tunnels,
)
from .overlay_commands import is_own
from .seen import Switch

Links = Mapping[str, Mapping[str, Any]]
USUAL_MTU = 1500


def check(will: Overlay) -> Iterator[FleetError]:
    """All that can be said without a look at the host."""
    if not will.id:
        yield _wrong(ID, "is missing: the number of the overlay, the same on all its hosts")
    if will.local in will.peers:
        yield _wrong(PEERS, f"{will.local} is local, this host's own; leave it out here")
    elif len(families(will)) > 1:
        said = "are of IPv4 and of IPv6; an overlay goes over one of them"
        yield _wrong(PEERS, f"and local {will.local} {said}" if will.local else said)


def without_peers(declared: Iterable[Key], will: Switch) -> Iterator[FleetError]:
    """What is said of an overlay means nothing where there is none."""
    said = {key for key in declared if key[:1] == OVERLAY}
    if said and PEERS not in said and will.overlay is None:
        yield _wrong(PEERS, "are missing: the addresses of the other hosts; without any is none")


def beside_uplinks(will: Switch) -> Iterator[FleetError]:
    """Two hosts with both would send each frame on both ways, and back, for ever."""
    if will.overlay is not None and will.nics:
        yield _wrong(
            OVERLAY, f"is not possible beside uplinks ({', '.join(will.nics)}): frames would go in "
            "circles between hosts that have both; declare another vswitch for it"
        )  # fmt: skip


def on_linux(will: Overlay) -> Iterator[FleetError]:
    """A link of Geneve has one peer: several would have to be kept apart from each other. One of
    VXLAN is of IPv4 where it has no address of its own."""
    if will.type != VXLAN:
        yield _wrong(
            TYPE, f"{will.type} is not possible on a bridge of Linux, which has {VXLAN}; "
            "a vswitch of type openvswitch has both"
        )  # fmt: skip
    elif 6 in families(will) and not will.local:
        yield _wrong(LOCAL, "is needed on a bridge of Linux for peers of IPv6")


def own_address(will: Overlay, links: Links) -> Iterator[FleetError]:
    """A peer is another host; what is local is an address of this one."""
    own = {one.split("/")[0]: name for name, link in links.items() for one in link["addresses"]}
    for peer in will.peers:
        if peer in own and peer != will.local:
            yield _wrong(PEERS, f"{peer} is this host's own, on {own[peer]}; leave it out here")


def of_no_host(will: Overlay, links: Links) -> Iterator[FleetError]:
    """The first and the last address of a network of IPv4 are those of all hosts in it."""
    nets = {
        one.network: name
        for name, link in links.items()
        for one in map(ipaddress.ip_interface, link["addresses"])
        if one.version == 4 and one.network.prefixlen < 31
    }
    for peer in map(ipaddress.ip_address, will.peers):
        for net, name in nets.items():
            if peer in (net.network_address, net.broadcast_address):
                yield _wrong(PEERS, f"{peer} is that of all hosts in {net}, the network of {name}")


def unknown_local(will: Overlay, links: Links, planned: Iterable[str]) -> str:
    """What is to be said of a local address that no interface has, nor gets by this run."""
    own = {one.split("/")[0] for link in links.values() for one in link["addresses"]}
    own |= {one.split("/")[0] for one in planned}
    is_known = will.local in own or not will.local or not links
    first = "a vswitch that brings it by a host port is to be declared first"
    return "" if is_known else f"the host has no address {will.local}; {first}"


def through_itself(will: Switch) -> Iterator[FleetError]:
    """Tunnels that lead through their own switch lead nowhere."""
    for port in will.host_ports if will.overlay is not None else ():
        for one in map(ipaddress.ip_interface, port.addresses):
            peers = () if will.overlay is None else will.overlay.peers
            inside = [peer for peer in peers if ipaddress.ip_address(peer) in one.network]
            if inside:
                yield _wrong(
                    PEERS, f"{', '.join(inside)} would be reached by host port {port.name}, "
                    "which is on this very switch; the way to peers has to be another"
                )  # fmt: skip


def with_wires(seen: Mapping[str, Any], bridge: str, links: Links) -> Iterator[FleetError]:
    """A bridge of others that leads out by an interface of the host, as by uplinks, or that a patch
    connects to one that does."""
    wires = [nic for nic in _of_others(seen, bridge) if links.get(nic, {}).get("kind") in WIRES]
    if wires:
        yield _wrong(
            OVERLAY, f"is not possible on {bridge}, where others put {', '.join(sorted(wires))}: "
            "frames would go in circles between hosts that have both"
        )  # fmt: skip
    for name, patch in sorted(seen.get("patches", {}).items()):
        if patch["bridge"] == bridge:
            beyond = {*bridges_by_patches(seen, patch["to"])} - {bridge}
            yield from _leads_out(name, beyond, seen, links)


# What is on hardware, or hands each frame to what is; and what has its other end on another host,
# or in a namespace.
WIRES = ("", "bond", "vlan", "macvlan", "macvtap", "ipvlan")
ELSEWHERE = ("veth", "vxlan", "geneve", "gretap", "ip6gretap", "l2tpeth")


def _of_others(seen: Mapping[str, Any], bridge: str) -> list[str]:
    """The interfaces that others put on a bridge."""
    found = seen.get("bridges", {}).get(bridge) or {"ports": {}}
    return [nic for one in found["ports"].values() if not one["uplink"] for nic in one["nics"]]


def _leads_out(
    patch: str, beyond: Collection[str], seen: Mapping[str, Any], links: Links
) -> Iterator[FleetError]:
    for bridge in sorted(beyond):
        ports = seen.get("bridges", {}).get(bridge, {}).get("ports", {})
        nics = [nic for one in ports.values() for nic in one["nics"]]
        wires = [nic for nic in nics if links.get(nic, {}).get("kind") in WIRES]
        tunnels = [n for n, one in seen.get("tunnels", {}).items() if one["bridge"] == bridge]
        if wires or tunnels:
            yield _wrong(
                OVERLAY, f"is not possible beside {patch}, which leads to {bridge} with "
                f"{', '.join(sorted({*wires, *tunnels}))}: frames would go in circles between "
                "hosts that have both"
            )  # fmt: skip


def bridges_by_patches(seen: Mapping[str, Any], port: str) -> list[str]:
    """The bridges of Open vSwitch behind a patch, by the port at its other end, and farther."""
    patches, found = seen.get("patches", {}), list[str]()
    ahead = [patches[port]["bridge"]] if port in patches else []
    while ahead:
        bridge = ahead.pop()
        if bridge not in found:
            found.append(bridge)
            ends = [one["to"] for one in patches.values() if one["bridge"] == bridge]
            ahead += [patches[end]["bridge"] for end in ends if end in patches]
    return found


def beside_others(seen: Mapping[str, Any], bridge: str, links: Links) -> list[str]:
    """The ports of others whose other end is not seen from the bridge."""
    nics = _of_others(seen, bridge)
    patches = [name for name, one in seen.get("patches", {}).items() if one["bridge"] == bridge]
    return [*patches, *(nic for nic in nics if links.get(nic, {}).get("kind") in ELSEWHERE)]


def taken(
    will: Overlay, whose: str, other: Overlay, is_alike: bool, becomes: int = 0, mine: int = 0
) -> Iterator[FleetError]:
    """What comes by one number is for one switch of a host; a port is Open vSwitch's or Linux's.
    The other may become another number later in this run, such as `mine`."""
    if other.port != will.port:
        return
    if other.type != will.type:
        yield _wrong(
            PORT, f"{will.port} is that of {whose}, which is of {other.type}; declare another"
        )
    elif other.id == will.id:
        yield _wrong(
            ID, f"{will.id} is that of {whose}; each overlay of a host has its own at a UDP port"
            f"{_in_turn(whose, becomes, mine)}"
        )  # fmt: skip
    elif not is_alike:
        yield _wrong(
            PORT, f"{will.port} is that of {whose}, of another type of vswitch, with which none is "
            "shared; declare another, the same on all hosts"
        )  # fmt: skip


def _in_turn(whose: str, becomes: int, mine: int) -> str:
    """How the number is had that another gives away in the same run: each changes by itself."""
    if not becomes:
        return ""
    if becomes == mine:
        return (
            f". {whose} is to have {becomes} in turn, and nobody can change both at once: give one "
            "of them a third number in a run before"
        )
    return f". {whose} gives it away later in this run; declare it before this one"


def led_by_others(
    will: Overlay, bridges: Container[str], seen: Mapping[str, Any]
) -> Iterator[FleetError]:
    """A tunnel of Open vSwitch that somebody made, as which another is not possible. Those on the
    bridges of vswitches are ours."""
    for name, one in sorted(seen.get("tunnels", {}).items()):
        options = {"dst_port": str(PORTS[one["type"]]), **one["options"]}
        said = one["type"], options.get("key", ""), options["dst_port"]
        is_other = one["bridge"] not in bridges or not is_own(name, one)
        is_same = said == (will.type, str(will.id), str(will.port))
        if is_other and is_same and options.get("remote_ip") in will.peers:
            yield _wrong(
                PEERS, f"{options['remote_ip']} is reached with {will.id} by {name} of "
                f"{one['bridge']}, which others made; remove that first (ovs-vsctl del-port {name})"
            )  # fmt: skip


def elsewhere(will: Overlay, bridge: str, seen: Mapping[str, Any]) -> Iterator[FleetError]:
    """A port of Open vSwitch is on one bridge, and the names of ours say on which."""
    on = {name: of for of, one in seen.get("bridges", {}).items() for name in one["ports"]}
    on |= {name: one["bridge"] for name, one in seen.get("tunnels", {}).items()}
    for name, peer in tunnels(bridge, will).items():
        if on.get(name, bridge) != bridge:
            yield _wrong(
                PEERS, f"the port {name} to {peer} is on {on[name]}, where others put it; remove "
                f"that first (ovs-vsctl del-port {name})"
            )  # fmt: skip


def linked_by_others(will: Overlay, own: str, links: Links) -> Iterator[FleetError]:
    """A link of Linux that somebody made, as which another is not possible."""
    for name, link in sorted(links.items()):
        found = link.get("tunnel", {})
        if name != own and (found.get("id"), found.get("port")) == (will.id, will.port):
            yield _wrong(ID, f"{will.id} is that of {name}, which others made on this host")


# ---- MTU


def room(will: Overlay, links: Links) -> tuple[int, str]:
    """The largest packet of a guest that passes to all peers, as far as this host can tell, and
    what limits it; 0 where it cannot."""
    ways = {peer: _way_to(peer, will.local, links) for peer in will.peers}
    known = [(links[nic].get("mtu", 0), nic, peer) for peer, nic in ways.items() if nic]
    mtu, nic, peer = min((one for one in known if one[0]), default=(0, "", ""))
    if not mtu:
        return 0, ""
    why = f"{nic}, on the way to {peer}, has {mtu}, of which the tunnel takes {will.overhead}"
    return mtu - will.overhead, why


def _way_to(peer: str, local: str, links: Links) -> str:
    """By which interface a peer is reached: that of the nearest network, or the default one."""
    address = ipaddress.ip_address(peer)
    near = [
        (one.network.prefixlen, name)
        for name, link in sorted(links.items())
        for one in map(ipaddress.ip_interface, link["addresses"])
        if address in one.network and local in ("", str(one.ip))
    ]
    by_default = sorted(name for name, link in links.items() if link["default"])
    return max(near)[1] if near else next(iter(by_default), "")


def too_large(mtu: int, will: Overlay, links: Links) -> str:
    """What is to be said of an MTU that is asked for, and does not fit; empty where it may."""
    limit, why = room(will, links)
    return f"{mtu} does not fit into the tunnels, {limit} does: {why}" if 0 < limit < mtu else ""


def for_guests(mtu: int, will: Overlay, links: Links) -> str:
    """What guests have to be told, where no MTU is asked for; empty where they need not."""
    limit, why = room(will, links)
    if mtu or not limit or limit >= USUAL_MTU:
        return ""
    return (
        f"packets of guests above {limit} do not pass the tunnels; give their NICs mtu: {limit} "
        f"({why})"
    )


def _wrong(key: Key, message: str) -> FleetError:
    return FleetError(message, "", named(key))
