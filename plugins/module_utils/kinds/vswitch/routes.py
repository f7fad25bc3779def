# SPDX-License-Identifier: GPL-3.0-or-later
"""Routes that the host has while a vswitch runs: networks behind routers that are VMs on it."""

from __future__ import annotations

import ipaddress
from typing import Any

from ...engine.codecs import Codec, integer
from ...engine.fields import Field, Items
from ...engine.xmltree import Element

PARTS = ("family", "address", "prefix", "netmask")  # by which the network of one is said


def address() -> Codec:
    """An IP address in the form that libvirt prints."""
    return Codec(
        lambda given: str(ipaddress.ip_address(str(given))),
        lambda found: str(ipaddress.ip_address(found)) if found else None,
        lambda value: value,
    )


def _network() -> Codec:
    """A network by its address; libvirt takes none with an address of a host in it."""

    def parse(given: Any) -> str:
        value = str(given)
        if "/" not in value:
            raise ValueError(f"{given!r} is no network, such as 10.20.0.0/16")
        network = ipaddress.ip_network(value, strict=False)
        if str(network.network_address) != str(ipaddress.ip_interface(value).ip):
            raise ValueError(f"{given} is an address in the network {network}; write that")
        return str(network)

    return Codec(parse, lambda found: found, lambda value: value)


def _name_of(element: Element) -> str | None:
    """Where no length is said it is that of a default route."""
    length = element.get("prefix") or element.get("netmask") or "0"
    try:
        return str(ipaddress.ip_network(f"{element.get('address', '')}/{length}", strict=False))
    except ValueError:
        return None


def _new(name: str) -> Element:
    network = ipaddress.ip_network(name, strict=False)
    family = {"family": "ipv6"} if network.version == 6 else {}
    said = {"address": str(network.network_address), "prefix": str(network.prefixlen)}
    return Element("route", {**family, **said})


ROUTES = Items(
    "routes",
    "route",
    (
        Field("via", "@gateway", address()),
        Field("metric", "@metric", integer(0, 2**32 - 1, unset=0)),
    ),
    name_of=_name_of,
    new=_new,
    key=("to", _network()),
)
