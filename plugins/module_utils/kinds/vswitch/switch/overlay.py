# SPDX-License-Identifier: GPL-3.0-or-later
"""An overlay: a switch on several hosts, by tunnels over the network that they have. Pure."""

from __future__ import annotations

import hashlib
import ipaddress
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Union

from ....engine.codecs import Codec, choice, integer
from ....engine.fields import Field
from ....engine.keys import Key, Values, below

OVERLAY: Key = ("overlay",)
TYPE, ID, PEERS, LOCAL, PORT = (
    (*OVERLAY, name) for name in ("type", "id", "peers", "local", "port")
)
KEYS = (TYPE, ID, PEERS, LOCAL, PORT)

VXLAN, GENEVE = "vxlan", "geneve"
PORTS = {VXLAN: 4789, GENEVE: 6081}  # as IANA assigned them
# What a frame with a tag takes of a packet beside what is in it: its own header with the tag, that
# of the tunnel, and those of UDP and of IP.
OVERHEADS = {4: 18 + 8 + 8 + 20, 6: 18 + 8 + 8 + 40}

Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]


@dataclass(frozen=True)
class Overlay:
    """One of them. `local` is empty where the host's routes choose the address; `id` is 0 where
    nobody has said one, which is a mistake."""

    type: str
    id: int
    peers: tuple[str, ...]
    local: str
    port: int

    @property
    def said(self) -> dict[str, Any]:
        """As a user would declare it."""
        said = {"type": self.type, "id": self.id, "peers": list(self.peers), "port": self.port}
        return {**said, "local": self.local} if self.local else said

    @property
    def note(self) -> str:
        """As it is kept beside what it is made of."""
        return json.dumps(self.said)

    @property
    def overhead(self) -> int:
        """The bytes by which the packets between hosts are longer than those of guests."""
        return OVERHEADS[ipaddress.ip_address(self.peers[0]).version]


def overlay_of(said: Mapping[str, Any] | None) -> Overlay | None:
    """From how a user would declare it. KeyError or TypeError for what is none."""
    if not said:
        return None
    peers, local = tuple(said["peers"]), said.get("local", "")
    return Overlay(said["type"], said["id"], peers, local, said["port"])


def noted(note: str) -> Overlay | None:
    """The one of a bridge by its note; None of one that somebody has spoiled."""
    try:
        return overlay_of(json.loads(note or "{}"))
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def values_of(overlay: Overlay | None) -> Values:
    """What it is, by the options that a user writes."""
    said = {} if overlay is None else overlay.said
    nothing = {TYPE: "", ID: 0, PEERS: [], LOCAL: "", PORT: 0}
    return {key: said.get(key[-1], value) for key, value in nothing.items()}


def merged(now: Overlay | None, declared: Mapping[Key, Any]) -> Overlay | None:
    """What there will be: what is omitted stays, and without peers there is none."""
    given = {key[0]: value for key, value in below(declared, OVERLAY).items()}
    peers = tuple(given.get("peers", () if now is None else now.peers))
    if not peers:
        return None
    type_of = given.get("type") or (VXLAN if now is None else now.type)
    # A port that nobody chose is that of the type.
    chosen = 0 if now is None or now.port == PORTS[now.type] else now.port
    port = given.get("port") or chosen or PORTS[type_of]
    id_of = given.get("id", 0 if now is None else now.id)
    local = given.get("local", "" if now is None else now.local)
    return Overlay(type_of, id_of, peers, local, port)


def tunnels(bridge: str, overlay: Overlay | None) -> dict[str, str]:
    """The ports of a bridge of Open vSwitch that lead to peers, each with its peer."""
    peers = () if overlay is None else overlay.peers
    return {port_to(bridge, peer): peer for peer in peers}


def port_to(bridge: str, peer: str) -> str:
    """The port of a bridge of Open vSwitch that leads to a peer."""
    return f"ov-{_digest(f'{bridge} {peer}')}"


def _digest(name: str) -> str:
    """Short enough for the name of an interface of Linux."""
    return hashlib.sha256(name.encode()).hexdigest()[:12]


# ---- options


def _address(given: Any) -> Address:
    value = ipaddress.ip_address(str(given))
    if value.version == 6 and value.ipv4_mapped is not None:
        raise ValueError(f"{given} is {value.ipv4_mapped} in the form of IPv6; declare that")
    if value == _TO_ALL:
        raise ValueError(f"{given} is that of all hosts, and not the address of a host")
    reason = next((said for of, said in _NOBODYS.items() if getattr(value, of)), "")
    if reason:
        raise ValueError(f"{given} is {reason}, and not the address of a host")
    return value


_TO_ALL = ipaddress.ip_address("255.255.255.255")
_NOBODYS = {
    "is_unspecified": "no address",
    "is_multicast": "that of a group",
    "is_loopback": "that of a loopback",
    "is_link_local": "of a link alone",
}


def _peers() -> Codec:
    """Addresses in their order, since each is to be reached in the same way."""

    def parse(given: Any) -> list[str]:
        found = [_address(one) for one in given]
        said = [str(one) for one in sorted(found, key=lambda one: (one.version, int(one)))]
        twice = sorted({one for one in said if said.count(one) > 1})
        if twice:
            raise ValueError(f"has {', '.join(twice)} twice")
        return said

    return Codec(parse, lambda _found: [], lambda _value: None, {"type": "list", "elements": "str"})


def _local() -> Codec:
    """An address; `""` leaves it to the host's routes."""
    return Codec(
        lambda given: str(_address(given)) if given else "",
        lambda found: found or "",
        lambda value: value or None,
    )


ROWS = (
    Field("overlay.type", "", choice(VXLAN, GENEVE)),
    Field("overlay.id", "", integer(1, 16777215)),
    Field("overlay.peers", "", _peers()),
    Field("overlay.local", "", _local()),
    Field("overlay.port", "", integer(1, 65535)),
)


def families(overlay: Overlay) -> set[int]:
    """The versions of IP of all its addresses."""
    return {ipaddress.ip_address(one).version for one in _addresses(overlay)}


def _addresses(overlay: Overlay) -> Iterable[str]:
    return (*overlay.peers, *([overlay.local] if overlay.local else []))
