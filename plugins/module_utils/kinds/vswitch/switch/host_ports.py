# SPDX-License-Identifier: GPL-3.0-or-later
"""Host ports: interfaces by which the host itself is on a switch, with its addresses. Pure."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ....engine.codecs import Codec, Value, integer, link_name, words
from ....engine.fields import Field, Items
from ....engine.keys import ABSENT, PRESENT, Key, Values, below, is_within
from ....engine.xmltree import Element

HOST_PORTS: Key = ("host_ports",)
MANAGEMENT, MIGRATION, STORAGE = "management", "migration", "storage"
INTERFACE = link_name("an interface")


@dataclass(frozen=True)
class HostPort:
    """One of them. A VLAN of 0 is none: its frames have no tag. An MTU of 0 is the switch's."""

    name: str
    vlan: int = 0
    addresses: tuple[str, ...] = ()
    gateway: str = ""
    gateway6: str = ""
    routes: tuple[tuple[str, str], ...] = ()  # where to, and by whom
    mtu: int = 0
    roles: tuple[str, ...] = ()

    @property
    def gateways(self) -> tuple[str, ...]:
        """Those by which it has a default route."""
        return tuple(one for one in (self.gateway, self.gateway6) if one)

    @property
    def said(self) -> dict[str, Any]:
        """As a user would declare it."""
        routes = [{"to": to, "via": via} for to, via in self.routes]
        every = {
            "name": self.name,
            "vlan": self.vlan,
            "addresses": list(self.addresses),
            "gateway": self.gateway,
            "gateway6": self.gateway6,
            "routes": routes,
            "mtu": self.mtu,
            "roles": list(self.roles),
        }
        return {name: value for name, value in every.items() if value}

    @property
    def every_route(self) -> tuple[tuple[str, str], ...]:
        """Its routes, with those to everywhere."""
        return (*(("default", via) for via in self.gateways), *self.routes)

    @property
    def note(self) -> str:
        """As it is kept beside what it is made of."""
        return json.dumps(self.said)


def port_of(said: Mapping[str, Any]) -> HostPort:
    """From how a user would declare it. ValueError, KeyError or TypeError for what is none."""
    routes = tuple((one["to"], one["via"]) for one in said.get("routes", ()))
    lists = {"addresses": tuple(said.get("addresses", ())), "routes": routes}
    return HostPort(**{**said, **lists, "roles": tuple(sorted(said.get("roles", ())))})


def noted(notes: Mapping[str, str]) -> tuple[HostPort, ...]:
    """Those of a bridge by their notes, without what somebody has spoiled."""
    return tuple(port for _name, note in sorted(notes.items()) for port in _noted(note))


def _noted(note: str) -> Iterator[HostPort]:
    try:
        yield port_of(json.loads(note))
    except (ValueError, TypeError, KeyError):
        return


def interface_of(bridge: str, port: HostPort, of_linux: bool) -> str:
    """The interface that has its addresses: of a bridge of Linux itself, where frames have no tag,
    or else one of its own."""
    return bridge if of_linux and not port.vlan else port.name


def every_address(ports: Iterable[HostPort]) -> set[str]:
    """The addresses that the host has by all of them."""
    return {one for port in ports for one in port.addresses}


# ---- options


def _interface(given: Any) -> str:
    if "/" not in str(given):
        raise ValueError(f"{given!r} is no address with its prefix, such as 192.0.2.10/24")
    return ipaddress.ip_interface(str(given)).with_prefixlen


def _addresses() -> Codec:
    def parse(given: Any) -> list[str]:
        said = [_interface(one) for one in given]
        if len({*said}) < len(said):
            raise ValueError("says the same twice")
        return said

    return Codec(parse, lambda _found: [], lambda _value: None, {"type": "list", "elements": "str"})


def _gateway(version: int) -> Codec:
    """An address; `""` takes it away."""

    def parse(given: Any) -> str:
        if given == "":
            return ""
        value = ipaddress.ip_address(str(given))
        if value.version != version:
            raise ValueError(f"{given} is of IPv{value.version}")
        return str(value)

    return Codec(parse, lambda found: found or "", lambda value: value or None)


def _routes() -> Codec:
    def parse(given: Any) -> list[dict[str, str]]:
        said = [(ipaddress.ip_network(str(one["to"])), str(one["via"])) for one in given]
        if len({to for to, _via in said}) < len(said):
            raise ValueError("has two routes to the same")
        return [{"to": str(to), "via": str(ipaddress.ip_address(via))} for to, via in said]

    of = {"to": {"type": "str", "required": True}, "via": {"type": "str", "required": True}}
    spec = {"type": "list", "elements": "dict", "options": of}
    return Codec(parse, lambda _found: [], lambda _value: None, spec)


ROWS = (
    Field("vlan", "", integer(0, 4094)),
    Field("addresses", "", _addresses()),
    Field("gateway", "", _gateway(4)),
    Field("gateway6", "", _gateway(6)),
    Field("routes", "", _routes()),
    Field("mtu", "", integer(0, 65535)),
    Field("roles", "", words(MANAGEMENT, MIGRATION, STORAGE)),
)
# They stand in no XML.
ITEMS = Items(
    "host_ports", "", ROWS, lambda _element: None, lambda _name: Element(""), ("name", INTERFACE)
)


# ---- values


def values_of(ports: Iterable[HostPort]) -> Values:
    """What they are, by key."""
    values: Values = {}
    for port in ports:
        at = (*HOST_PORTS, port.name)
        values[at] = PRESENT
        said = {**_NOTHING, **port.said}
        values.update({(*at, name): value for name, value in said.items() if name != "name"})
    return values


_NOTHING: dict[str, Value] = {
    **dict.fromkeys(("vlan", "mtu"), 0),
    **dict.fromkeys(("gateway", "gateway6"), ""),
    **{name: [] for name in ("addresses", "routes", "roles")},
}


def merged(
    now: Iterable[HostPort], declared: Mapping[Key, Value], purges: bool
) -> tuple[HostPort, ...]:
    """What there will be: those that are there with what is declared of them, and new ones."""
    ports = {port.name: port.said for port in now}
    named = {key[1]: value for key, value in declared.items() if len(key) == 2 and _is_ours(key)}
    if purges:
        ports = {name: said for name, said in ports.items() if name in named}
    for name, value in named.items():
        if value is ABSENT:
            ports.pop(name, None)
            continue
        ports[name] = {**ports.get(name, {"name": name}), **_said(declared, name)}
    return tuple(port_of(said) for _name, said in sorted(ports.items()))


def _is_ours(key: Key) -> bool:
    return is_within(key, HOST_PORTS)


def _said(declared: Mapping[Key, Value], name: str) -> dict[str, Any]:
    return {key[0]: value for key, value in below(declared, (*HOST_PORTS, name)).items()}
