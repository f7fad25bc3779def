# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of a vswitch: which values go together. Pure; each function says one rule."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import starmap
from typing import Any, Union

from ...engine import vlans
from ...engine.codecs import Value
from ...engine.errors import FleetError
from ...engine.keys import Key, Values, named
from ...engine.texts import why_no_file
from ...engine.xmltree import Element
from . import device_rules
from .device_rules import DEVICES, PF, VFS
from .noted_vlans import ISOLATION, SECURITY
from .table import (
    BRIDGE,
    BRIDGE_NAME,
    DNS_ENABLED,
    FAMILIES,
    MORE_ADDRESSES,
    MTU,
    NAT,
    ON_DEVICE,
    ON_HOST_BRIDGE,
    OPEN,
    OPENVSWITCH,
    ROUTED,
    RUN_BY_LIBVIRT,
    TYPE,
    Family,
    things_of,
)
from .tree import values_of

IpInterface = Union[ipaddress.IPv4Interface, ipaddress.IPv6Interface]
IpNetwork = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]

# libvirt's own bound for one DHCP range (virSocketAddrGetRange).
LONGEST_RANGE = 65535
SMALLEST_MTU = 68

# All that a host bridge does not take: libvirt runs nothing on it.
ON_A_HOST_BRIDGE = {"type", "bridge", "port_groups", "protected", "scope"}
_BARE = values_of(Element("network"))


def check_name(name: str) -> Iterator[FleetError]:
    """A name that libvirt takes, and that is a file name of its own."""
    if not name or name != name.strip() or re.search(r"[/\x00-\x1f]", name):
        message = f"{name!r} is no name: it is empty, or has a slash, or spaces around it"
        yield FleetError(message, "", "name")
    if why_no_file(name):
        yield FleetError(why_no_file(name), "", "name")


def check_declared(values: Mapping[Key, Value]) -> Iterator[FleetError]:
    """The rules about what was declared, whatever else a vswitch has."""
    yield from _mtu(values)
    yield from _default_port_groups(values)
    for group in _things(values, "port_groups"):
        yield from starmap(_wrong, vlans.disagreeing(values, group))


def check_addresses(values: Mapping[Key, Value]) -> Iterator[FleetError]:
    """Rules that a network of others may break already: libvirt does not know them."""
    for key, one in _interfaces(values):
        yield from _usable_address(one, key)
    for family in FAMILIES:
        interface = _interface(values, family)
        yield from _ranges(values, family, interface)
        yield from _reservations(values, family, interface)


def check(values: Values) -> Iterator[FleetError]:
    """The rules about all that a vswitch will have."""
    yield from check_declared(values)
    yield from check_addresses(values)
    yield from device_rules.check(values)
    for family in FAMILIES:
        hosts = _things(values, family.dhcp, "hosts")
        yield from _twins(values, hosts, "ip")
        yield from _twins(values, hosts, "name")
    if values[TYPE] not in RUN_BY_LIBVIRT:
        yield from _only_what_a_host_bridge_takes(values)
        yield from device_rules.limits_only_on_a_bridge(values)
    else:
        yield from _has_its_addresses(values)
        yield from _more_are_beside_one(values)
        yield from _routes_are_by_neighbours(values)
    yield from _things_are_complete(values)
    yield from _dns_has_what_it_needs(values)
    yield from _limits_have_an_average(values)
    for group in _things(values, "port_groups"):
        yield from starmap(_wrong, vlans.without_trunk(values, group))
    yield from _strict_where_filters_are(values)
    yield from _isolated_on_bridges(values)


def _wrong(key: Key, message: str) -> FleetError:
    return FleetError(message, "", named(key))


def _things(values: Mapping[Key, Value], *list_key: str) -> list[Key]:
    return things_of(values, list_key)


# ---- one vswitch by itself


def _only_what_a_host_bridge_takes(values: Values) -> Iterator[FleetError]:
    if values[TYPE] in ON_DEVICE and values[BRIDGE_NAME]:
        yield _wrong(BRIDGE_NAME, "means nothing for a vswitch that is on a device of the host")
    on_device = values[TYPE] in ON_DEVICE or (values[TYPE] == BRIDGE and values[DEVICES])
    if values[TYPE] in ON_HOST_BRIDGE and not values[BRIDGE_NAME] and not on_device:
        kind = values[TYPE]
        yield _wrong(
            BRIDGE_NAME, f"is missing: a vswitch of type {kind} is on one that the host has"
        )
    said = {key[0] for key, value in values.items() if value != _BARE.get(key)}
    takes = {*ON_A_HOST_BRIDGE, *(DEVICES + PF + VFS if on_device else ())}
    for option in sorted(said - takes):
        kind = values[TYPE]
        yield _wrong((option,), f"means nothing for a vswitch of type {kind}; the host runs that")


def _strict_where_filters_are(values: Values) -> Iterator[FleetError]:
    """libvirt starts no VM with a network filter elsewhere (qemuBuildInterfaceCommandLine), and a
    filter that looks into frames does not look behind a tag."""
    for group in _things(values, "port_groups"):
        if values.get((*group, SECURITY)) != "strict":
            continue
        on = _on_no_linux_bridge(values)
        if on:
            message = (
                f"strict is not possible on {on}: it is by libvirt's network filters, which are "
                "for ports of Linux bridges"
            )
            yield _wrong((*group, SECURITY), message)
        elif any(values.get((*group, option)) for option in (vlans.TRUNK, vlans.NATIVE)):
            message = "strict lets no frames with tags out, and this port group is a trunk"
            yield _wrong((*group, SECURITY), message)


def _isolated_on_bridges(values: Values) -> Iterator[FleetError]:
    on_none = _on_no_linux_bridge(values) and values[TYPE] != OPENVSWITCH
    for group in _things(values, "port_groups") if on_none else ():
        if values.get((*group, ISOLATION)):
            message = "is not possible on no bridge: it is of ports of bridges and Open vSwitch"
            yield _wrong((*group, ISOLATION), message)


def _on_no_linux_bridge(values: Values) -> str:
    """What a vswitch is on instead of a bridge of Linux; empty where it is on one."""
    if values[TYPE] == OPENVSWITCH:
        return "Open vSwitch"
    return "" if values[BRIDGE_NAME] or values[TYPE] in RUN_BY_LIBVIRT else "no bridge"


def _has_its_addresses(values: Values) -> Iterator[FleetError]:
    if values[TYPE] in (NAT, ROUTED, OPEN) and not any(values[family.key] for family in FAMILIES):
        kind = values[TYPE]
        yield _wrong(
            ("address",), f"is missing: a vswitch of type {kind} needs one, or an address6"
        )
    for family in FAMILIES:
        has_dhcp = any(things_of(values, (family.dhcp, row.name)) for row in family.rows)
        if has_dhcp and not values[family.key]:
            yield _wrong((family.dhcp,), f"needs an address on the vswitch; set {family.address}")


def _things_are_complete(values: Values) -> Iterator[FleetError]:
    needed = {("dns", "hosts"): "hostnames", ("routes",): "via"}
    for family in FAMILIES:
        needed.update({(family.dhcp, "ranges"): "end", (family.dhcp, "hosts"): "ip"})
    for list_key, option in needed.items():
        for key in things_of(values, list_key):
            if not values.get((*key, option)):
                yield _wrong((*key, option), "is missing")


def _dns_has_what_it_needs(values: Values) -> Iterator[FleetError]:
    given = [option for option in ("forwarders", "hosts") if _things(values, "dns", option)]
    if given and not values[DNS_ENABLED]:
        message = f"is false, and there are {' and '.join(given)}; purge them, or enable it"
        yield _wrong(DNS_ENABLED, message)


def _limits_have_an_average(values: Values) -> Iterator[FleetError]:
    for group in _things(values, "port_groups"):
        for direction in ("inbound", "outbound"):
            at = (*group, "bandwidth", direction)
            limits = [values[(*at, name)] for name in ("average", "peak", "burst")]
            if limits[0] == "0B" and limits != ["0B"] * 3:
                yield _wrong(at, "has a peak or burst but no average; set its average")


def _mtu(values: Mapping[Key, Value]) -> Iterator[FleetError]:
    mtu = values.get(MTU) or 0
    if 0 < mtu < SMALLEST_MTU:
        yield _wrong(MTU, f"{mtu} is less than {SMALLEST_MTU}; 0 leaves it to the kernel")


def _default_port_groups(values: Mapping[Key, Value]) -> Iterator[FleetError]:
    defaults = [key[-1] for key in _things(values, "port_groups") if values.get((*key, "default"))]
    if len(defaults) > 1:
        yield _wrong(("port_groups",), f"only one can be the default, not {', '.join(defaults)}")


def _twins(values: Mapping[Key, Value], things: Iterable[Key], option: str) -> Iterator[FleetError]:
    first: dict[Value, Key] = {}
    for key in things:
        value = values.get((*key, option))
        if value and value in first:
            known = first[value][-1]
            way_out = f"give one of them another {option}, or declare {known} with state: absent"
            yield _wrong((*key, option), f"{value} is also that of {known}; {way_out}")
        first.setdefault(value, key)


# ---- addresses


def _interface(values: Mapping[Key, Value], family: Family) -> IpInterface | None:
    given = values.get(family.key)
    return ipaddress.ip_interface(given) if given else None


def _interfaces(values: Mapping[Key, Value]) -> Iterator[tuple[Key, IpInterface]]:
    """All addresses that a vswitch has, each with its option."""
    for family in FAMILIES:
        interface = _interface(values, family)
        if interface is not None:
            yield family.key, interface
    for one in values.get(MORE_ADDRESSES) or ():
        yield MORE_ADDRESSES, ipaddress.ip_interface(one)


def _more_are_beside_one(values: Values) -> Iterator[FleetError]:
    """The first of a family has an option of its own, be it the only one."""
    ones = {family.version: _interface(values, family) for family in FAMILIES}
    first = {family.version: family.address for family in FAMILIES}
    for one in map(ipaddress.ip_interface, values.get(MORE_ADDRESSES) or ()):
        main, option = ones[one.version], first[one.version]
        if main is not None and main.ip == one.ip:
            yield _wrong(MORE_ADDRESSES, f"{one} is for {option}; write it there, and not here")


def _routes_are_by_neighbours(values: Values) -> Iterator[FleetError]:
    """As libvirt has it (virNetworkDefParseXML), and not by the host itself, as the kernel has."""
    has = [interface for _key, interface in _interfaces(values)]
    for key in _things(values, "routes"):
        given = values.get((*key, "via"))
        if not given:
            continue
        via, to = ipaddress.ip_address(given), ipaddress.ip_network(key[-1], strict=False)
        if via.version != to.version:
            yield _wrong((*key, "via"), f"{via} is of IPv{via.version}, and {to} is not")
        elif not any(via in one.network for one in has):
            yield _wrong((*key, "via"), f"{via} is on no network of the vswitch")
        elif via in [one.ip for one in has]:
            yield _wrong((*key, "via"), f"{via} is the vswitch itself; name another router")
        if to in [one.network for one in has]:
            yield _wrong(key, "is a network of the vswitch itself, which needs no route")


def _usable_address(interface: IpInterface, key: Key) -> Iterator[FleetError]:
    network, ip = interface.network, interface.ip
    single = network.prefixlen >= network.max_prefixlen - 1
    if not single and (ip == network.network_address or _is_broadcast(ip, network)):
        example = f"{network.network_address + 1}/{network.prefixlen}"
        yield _wrong(key, f"{interface} is no host's address; write one such as {example}")
    if ip.is_multicast or ip.is_loopback or ip.is_unspecified:
        yield _wrong(key, f"{interface} is no address for a host")


def _is_broadcast(ip: Any, network: IpNetwork) -> bool:
    return network.version == 4 and ip == network.broadcast_address


def _ranges(
    values: Mapping[Key, Value], family: Family, interface: IpInterface | None
) -> Iterator[FleetError]:
    sound = []
    for key in _things(values, family.dhcp, "ranges"):
        if not values.get((*key, "end")):
            continue
        span = ipaddress.ip_address(key[-1]), ipaddress.ip_address(values[(*key, "end")])
        mistake = _range_mistake(*span, interface)
        if mistake:
            yield _wrong(key, mistake)
        else:
            sound.append((span, key))
    yield from _overlapping_ranges(sorted(sound))


def _range_mistake(start: Any, end: Any, interface: IpInterface | None) -> str:
    if start.version != end.version:
        return f"begins with an IPv{start.version} address and ends with an IPv{end.version} one"
    if start > end:
        return f"begins after its end {end}"
    if int(end) - int(start) > LONGEST_RANGE:
        return f"to {end} is longer than the {LONGEST_RANGE} addresses that libvirt allows"
    if interface is None:
        return ""
    outside = [str(ip) for ip in (start, end) if not _is_for_guests(ip, interface.network)]
    return f"{outside[0]} is no address for guests in {interface.network}" if outside else ""


def _is_for_guests(ip: Any, network: IpNetwork) -> bool:
    return ip in network and ip != network.network_address and not _is_broadcast(ip, network)


def _overlapping_ranges(spans: list[tuple[tuple[Any, Any], Key]]) -> Iterator[FleetError]:
    for (one, _key), (other, key) in zip(spans, spans[1:]):
        if other[0] <= one[1]:
            yield _wrong(key, f"overlaps with the range from {one[0]} to {one[1]}")


def _reservations(
    values: Mapping[Key, Value], family: Family, interface: IpInterface | None
) -> Iterator[FleetError]:
    for key in _things(values, family.dhcp, "hosts"):
        given = values.get((*key, "ip"))
        if not given or interface is None:
            continue
        ip = ipaddress.ip_address(given)
        if not _is_for_guests(ip, interface.network):
            yield _wrong((*key, "ip"), f"{ip} is no address for guests in {interface.network}")
        elif ip == interface.ip:
            yield _wrong((*key, "ip"), f"{ip} is the address of the vswitch itself")


# ---- beside others


def networks_in(values: Mapping[Key, Value]) -> list[IpNetwork]:
    """The networks that a vswitch has addresses in."""
    return [interface.network for _key, interface in _interfaces(values)]


def overlapping(mine: Values, others: Mapping[str, Iterable[IpNetwork]]) -> Iterator[FleetError]:
    """Addresses of this vswitch in a network that something else has."""
    for key, interface in _interfaces(mine):
        for owner, networks in others.items():
            taken = next((n for n in networks if _meet(n, interface.network)), None)
            if taken is not None:
                yield _wrong(key, f"{interface.network} overlaps with {taken} of {owner}")


def _meet(one: IpNetwork, other: IpNetwork) -> bool:
    return one.version == other.version and one.overlaps(other)


def shared_bridge(mine: Values, others: Mapping[str, Values]) -> Iterator[FleetError]:
    """One bridge for two vswitches: fine only where it is the host's, and libvirt runs neither."""
    bridge = mine[BRIDGE_NAME]
    for name, values in others.items():
        both_of_the_host = {mine[TYPE], values[TYPE]} <= {*ON_HOST_BRIDGE}
        if bridge and values[BRIDGE_NAME] == bridge and not both_of_the_host:
            yield _wrong(BRIDGE_NAME, f"{bridge} is already the bridge of vswitch/{name}")


def check_timeout(seconds: int | None) -> Iterator[FleetError]:
    """Time enough to make a connection, and an end to it."""
    if seconds is not None and seconds != 0 and not 10 <= seconds <= 3600:
        yield FleetError(f"{seconds} is neither 0 nor from 10 to 3600", "", "confirm_timeout_s")
