# SPDX-License-Identifier: GPL-3.0-or-later
"""The network XML of a vswitch, read, edited and made. What is to be set is decided elsewhere."""

from __future__ import annotations

import hashlib
import ipaddress
import re
import uuid
from collections.abc import Iterator, Mapping

from ...engine import fields, xmltree
from ...engine.codecs import Value
from ...engine.keys import Key, Values
from ...engine.mark import put_mark
from ...engine.xmltree import FLEET_NS, Element
from .table import (
    DNS_HOSTS,
    FAMILIES,
    HOSTNAMES,
    MORE_ADDRESSES,
    NAT,
    ROWS,
    TYPE,
    Family,
    in_order,
)

# ---- reading a tree


def values_of(network: Element) -> Values:
    """Every value of a network as this tree has it."""
    have = fields.values_of(ROWS, network)
    for family in FAMILIES:
        ip = family.element(network)
        have[family.key] = "" if ip is None else address_of(ip)
        if ip is not None:
            have.update(fields.values_of(family.rows, ip, (family.dhcp,)))
    have[MORE_ADDRESSES] = in_order(more_in(network))
    for name, host in fields.items_of(DNS_HOSTS, network).items():
        have[("dns", "hosts", name, HOSTNAMES.name)] = sorted(_texts(host, "hostname"))
    return have


def address_of(ip: Element) -> str:
    given = ip.get("address", "")
    length = ip.get("prefix") or ip.get("netmask") or _default_prefix(given)
    return ipaddress.ip_interface(f"{given}/{length}").with_prefixlen


def more_in(network: Element) -> dict[str, Element]:
    """The addresses that have no options of their own, each with its element."""
    own = [family.element(network) for family in FAMILIES]
    others = (ip for ip in network.findall("ip") if ip.get("address") and ip not in own)
    return {address_of(ip): ip for ip in others}


def subnets_of(network: Element) -> set[str]:
    """Every network that a network has an address in, such as `192.0.2.0/24`."""
    addresses = (address_of(ip) for ip in network.findall("ip") if ip.get("address"))
    return {str(ipaddress.ip_interface(one).network) for one in addresses}


def _default_prefix(given: str) -> int:
    """What libvirt takes where nothing is said: the class of old (virSocketAddrGetIPPrefix)."""
    value = ipaddress.ip_address(given)
    if value.version == 6:
        return 64
    first = value.packed[0]
    return 8 if first < 128 else 16 if first < 192 else 24


def _texts(element: Element, tag: str) -> Iterator[str]:
    return ((child.text or "").strip() for child in element.findall(tag))


# ---- editing a tree


def edited(network: Element, want: Mapping[Key, Value]) -> Element:
    """A copy with these values; all that is not named stays as it is."""
    after = xmltree.clone(network)
    fields.edit(ROWS, after, want)
    if want.get(TYPE, NAT) != NAT:
        for nat in after.findall("forward/nat"):  # libvirt refuses it elsewhere
            xmltree.remove(after, nat)
    more = more_in(after)  # as long as those with options of their own are there
    for family in FAMILIES:
        _edit_family(after, family, want)
    _edit_more(after, more, want.get(MORE_ADDRESSES))
    for ip, host in fields.items_of(DNS_HOSTS, after).items():
        wanted = want.get(("dns", "hosts", ip, HOSTNAMES.name))
        if wanted is not None:
            _replace_hostnames(host, wanted)
    return after


def _edit_family(network: Element, family: Family, want: Mapping[Key, Value]) -> None:
    given = want.get(family.key)
    ip = family.element(network)
    if given == "" and ip is not None:
        network.remove(ip)
        return
    if given and (ip is None or address_of(ip) != given):
        ip = _new_ip(network, family.version) if ip is None else ip
        _put_address(ip, given)
    if ip is not None:
        fields.edit(family.rows, ip, want, (family.dhcp,))


def _new_ip(network: Element, version: int) -> Element:
    ip = Element("ip", {"family": "ipv6"} if version == 6 else {})
    network.append(ip)
    return ip


def _put_address(ip: Element, given: str) -> None:
    value = ipaddress.ip_interface(given)
    ip.attrib.pop("netmask", None)
    ip.set("address", str(value.ip))
    ip.set("prefix", str(value.network.prefixlen))


def _edit_more(network: Element, there: Mapping[str, Element], wanted: list[str] | None) -> None:
    """Of several addresses of a family the first counts as the one that has options of its own."""
    if wanted is None:
        return
    for ip in (ip for given, ip in there.items() if given not in wanted):
        network.remove(ip)
    for given in (one for one in wanted if one not in there):
        _put_address(_new_ip(network, ipaddress.ip_interface(given).version), given)


def _replace_hostnames(host: Element, wanted: list[str]) -> None:
    if sorted(_texts(host, "hostname")) == wanted:
        return
    for child in host.findall("hostname"):
        host.remove(child)
    for name in wanted:
        child = Element("hostname")
        child.text = name
        host.append(child)


def without_empty_dhcp(network: Element) -> Element:
    """A copy as libvirt will tell it, which drops DHCP without anything in it."""
    after = xmltree.clone(network)
    for ip in after.findall("ip"):
        for dhcp in ip.findall("dhcp"):
            if not len(dhcp):
                ip.remove(dhcp)
    return after


# ---- a network that is new


def new_network(name: str) -> Element:
    """A bare network, to be edited like one that exists."""
    network = Element("network")
    xmltree.put(network, "name", name)
    xmltree.put(network, "uuid", derived_uuid(name))
    put_mark(network)
    return network


def derived_uuid(name: str) -> str:
    """The UUID of a new vswitch, the same for the same name."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{FLEET_NS}:vswitch/{name}"))


def derived_mac(name: str, host: str = "") -> str:
    """The MAC of a new vswitch's bridge, in QEMU's range 52:54:00, the same for the same name.

    One that is on wires with bridges of other hosts has another on each `host`.
    """
    of = f"{name}@{host}" if host else name
    digest = hashlib.sha256(f"{FLEET_NS}:vswitch/{of}".encode()).hexdigest()
    return "52:54:00:" + ":".join(digest[place : place + 2] for place in (0, 2, 4))


def derived_bridge(name: str) -> str:
    """The bridge of a new vswitch: named after it where Linux's 15 characters suffice."""
    readable = f"vs-{name}"
    if re.fullmatch(r"[A-Za-z0-9_.-]{1,15}", readable):
        return readable
    return f"vs-{hashlib.sha256(name.encode()).hexdigest()[:12]}"
