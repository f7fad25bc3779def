# SPDX-License-Identifier: GPL-3.0-or-later
"""What iproute2 is told to make a bridge what it is to be, whatever it is now. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ....engine.vlans import USUAL, ids_of
from .linux_names import KINDS, bond_of, ranges, tagged, tunnel_of
from .overlay import Overlay
from .seen import Switch

Command = list[str]
Links = Mapping[str, Mapping[str, Any]]
Vlans = Mapping[str, Iterable[Sequence[Any]]]
USUAL_MTU = 1500  # of Ethernet, where none is asked for


def releasing(links: Links, bridge: str, was: Switch, will: Switch) -> Iterator[Command]:
    """The commands that free the uplinks that go, or move, and a bond that cannot stay.

    They come before what is stored says so. networkd moves nothing that is on something else.
    """
    bond, place = bond_of(bridge), bond_of(bridge) if len(will.nics) > 1 else bridge
    in_bond = {nic for nic, one in links.items() if one["master"] == bond}
    for nic in sorted({*was.nics} | in_bond):
        master = links.get(nic, {}).get("master")
        if master in (bridge, bond) and (nic not in will.nics or master != place):
            yield ["ip", "link", "set", "dev", nic, "nomaster"]
        if master in (bridge, bond) and nic not in will.nics and was.mtu:
            yield _mtu(nic, USUAL_MTU)
    if bond in links and not _stays(links, bond, will):
        yield ["ip", "link", "delete", "dev", bond]
    tunnel = tunnel_of(bridge)
    if was.overlay is not None and tunnel in links and not is_tunnel(links[tunnel], will.overlay):
        yield ["ip", "link", "delete", "dev", tunnel]


def is_tunnel(link: Mapping[str, Any], overlay: Overlay | None) -> bool:
    """Whether a link is that of an overlay, be it to other peers: all else it is made with."""
    if overlay is None:
        return False
    said = {"id": overlay.id, "local": overlay.local, "port": overlay.port}
    found = link.get("tunnel", {})
    return all(found.get(name) == value for name, value in said.items())


def _stays(links: Links, bond: str, will: Switch) -> bool:
    """The mode of a bond is that with which it is made: it changes only while nothing is in it."""
    many = len(will.nics) > 1
    return bond in links and many and links[bond]["mode"] == KINDS[will.teaming][0]


def making(
    links: Links,
    bridge: str,
    will: Switch,
    mac: str,
    had_mtu: bool = False,
    vlans: Vlans | None = None,
) -> Iterator[Command]:
    """The commands after which a bridge, its bond and its uplinks are as they will be; `vlans` are
    those that each port has."""
    if bridge not in links:
        yield ["ip", "link", "add", "name", bridge, "address", mac, "type", "bridge", *_FILTERING]
    elif not links[bridge]["filtering"]:
        yield ["ip", "link", "set", "dev", bridge, "type", "bridge", *_FILTERING]
    yield from _uplinks(links, vlans or {}, bridge, will)
    if will.overlay is not None:
        yield from _tunnel(links, bridge, will.overlay)
    yield from _limits_and_state(bridge, will, had_mtu)


_FILTERING = ("vlan_filtering", "1", "vlan_default_pvid", "1")


def _uplinks(links: Links, vlans: Vlans, bridge: str, will: Switch) -> Iterator[Command]:
    bond, many = bond_of(bridge), len(will.nics) > 1
    mode, policy = KINDS[will.teaming] if many else ("", "")
    stays = _stays(links, bond, will)
    if bond in links and not stays:
        yield ["ip", "link", "delete", "dev", bond]
    if many and not stays:
        hashed = ["xmit_hash_policy", policy] if policy else []
        made = ["type", "bond", "mode", mode, "miimon", "100", *hashed]
        yield ["ip", "link", "add", "name", bond, *made]
    place = bond if many else bridge
    for nic in will.nics:
        master = links.get(nic, {}).get("master", "")
        if master != place or (many and not stays):
            yield from _placed(nic, place)
    if many:
        yield from _bond(links, bond, bridge, will, stays)
    for port in [bond] if many else will.nics:
        has = vlans.get(port, ()) if stays or not many else ()
        yield from _with_vlans(port, will.vlans, has)


def _with_vlans(
    port: str, carries: Iterable[str], has: Iterable[Sequence[Any]] = ()
) -> Iterator[Command]:
    """Those that go first: a NIC may have room for some of them only."""
    to_be = tagged(carries)
    there = {vlan for first, last, _flags in has for vlan in range(first, last + 1)}
    for one in ranges(there - ids_of(to_be) - {USUAL}):
        yield ["bridge", "vlan", "del", "dev", port, "vid", one]
    yield ["bridge", "vlan", "add", "dev", port, "vid", str(USUAL), "pvid", "untagged"]
    yield from (["bridge", "vlan", "add", "dev", port, "vid", one] for one in to_be)


def _tunnel(links: Links, bridge: str, overlay: Overlay) -> Iterator[Command]:
    """One link to all peers: what comes from one is not sent to another."""
    name = tunnel_of(bridge)
    link = links.get(name, {})
    if link and not is_tunnel(link, overlay):
        yield ["ip", "link", "delete", "dev", name]
        link = {}
    if not link:
        local = ["local", overlay.local] if overlay.local else []
        made = ["type", "vxlan", "id", str(overlay.id), *local, "dstport", str(overlay.port)]
        yield ["ip", "link", "add", "name", name, *made, *_WITHOUT_CHECKSUMS]
    if link.get("master") != bridge:
        yield ["ip", "link", "set", "dev", name, "master", bridge]
    has = link.get("tunnel", {}).get("peers", ())
    gone = [one for one in has if one not in overlay.peers]
    for peer in gone:
        yield ["bridge", "fdb", "delete", _EVERYBODY, "dev", name, "dst", peer]
    if gone:
        # It forgets who is behind them, which it would remember for as long as frames go there.
        yield ["ip", "link", "set", "dev", name, "down"]
    for peer in (one for one in overlay.peers if one not in has):
        yield ["bridge", "fdb", "append", _EVERYBODY, "dev", name, "dst", peer]
    yield from _forwarding(name, link.get("tunnel", {}))
    yield from _with_vlans(name, ())


def _forwarding(name: str, tunnel: Mapping[str, Any]) -> Iterator[Command]:
    """Take back what somebody set that keeps frames from their way, or sends them another."""
    if tunnel.get("isolated"):
        yield ["bridge", "link", "set", "dev", name, "isolated", "off"]
    if not tunnel.get("learns_as_port", True):
        yield ["bridge", "link", "set", "dev", name, "learning", "on"]
    if not tunnel.get("learns", True):
        yield ["ip", "link", "set", "dev", name, "type", "vxlan", "learning"]
    for mac, peer, vlan in tunnel.get("fixed", ()):
        whose = ["dst", peer] if peer else ["master"]
        of = ["vlan", str(vlan)] if vlan else []
        yield ["bridge", "fdb", "delete", mac, "dev", name, *whose, *of]


# Of the packets between hosts: those in them have their own. So it is with Open vSwitch.
_WITHOUT_CHECKSUMS = ("noudpcsum", "udp6zerocsumtx", "udp6zerocsumrx")
_EVERYBODY = "00:00:00:00:00:00"  # where it sends what it knows no other way for


def _placed(nic: str, place: str) -> Iterator[Command]:
    """A bond takes what is down."""
    yield ["ip", "link", "set", "dev", nic, "down"]
    yield ["ip", "link", "set", "dev", nic, "master", place]


def _bond(links: Links, bond: str, bridge: str, will: Switch, stays: bool) -> Iterator[Command]:
    if not stays or links[bond]["master"] != bridge:
        yield ["ip", "link", "set", "dev", bond, "master", bridge]
    was = links[bond]["primary"] if stays else ""
    if will.primary:
        yield ["ip", "link", "set", "dev", bond, "type", "bond", "primary", will.primary]
    elif was:
        # ip has no word for none.
        yield ["sh", "-c", f"echo > /sys/class/net/{bond}/bonding/primary"]


def _limits_and_state(bridge: str, will: Switch, had_mtu: bool) -> Iterator[Command]:
    bond = [bond_of(bridge)] if len(will.nics) > 1 else []
    tunnel = [tunnel_of(bridge)] if will.overlay else []
    names = [*will.nics, *bond, *tunnel, bridge]
    if will.mtu or had_mtu:
        yield from (_mtu(name, will.mtu or USUAL_MTU) for name in names)
    yield from (["ip", "link", "set", "dev", name, "up"] for name in names)


def _mtu(name: str, mtu: int) -> Command:
    return ["ip", "link", "set", "dev", name, "mtu", str(mtu)]


def removing(links: Links, bridge: str) -> Iterator[Command]:
    """The commands that take a bridge, its bond and its tunnels away."""
    names = (bridge, bond_of(bridge), tunnel_of(bridge))
    yield from (["ip", "link", "delete", "dev", name] for name in names if name in links)
