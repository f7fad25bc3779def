# SPDX-License-Identifier: GPL-3.0-or-later
"""The network of a guest: the short form of each NIC, and what of the long one cannot be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import IPv4Interface, IPv6Interface, ip_address, ip_interface
from typing import Any, Union

from ....engine import xmltree
from ....engine.errors import Mistakes
from ....engine.xmltree import Element

Interface = Union[IPv4Interface, IPv6Interface]

DHCP = "dhcp"
LONGEST_INTERFACE = 15  # IFNAMSIZ of Linux, without its zero byte
STATIC = {4: "static", 6: "static6"}
# Where netplan's and cloud-init's own files have interfaces.
KINDS_OF_DEVICES = ("ethernets", "bonds", "bridges", "vlans", "wifis")

Nics = dict[str, dict[str, Any]]


# ---- in short


def nics_of(given: Iterable[Mapping[str, Any]]) -> Nics:
    """What is said of each NIC, by its name, without what says nothing."""
    return {
        nic["name"]: {key: value for key, value in nic.items() if value and key != "name"}
        for nic in given
    }


def check_nics(given: Sequence[Mapping[str, Any]], mistakes: Mistakes) -> None:
    """Each address is one, its gateway is in its network, and none is there twice."""
    seen: dict[str, str] = {}
    for nic in given:
        field = f"nics.{nic['name']}"
        if [one["name"] for one in given].count(nic["name"]) > 1:
            mistakes.add("is declared twice; keep one of them", field)
        if len(nic["name"]) > LONGEST_INTERFACE and ":" not in nic["name"]:
            mistakes.add(
                f"is no name for an interface, which has {LONGEST_INTERFACE} letters at most; "
                "write network_config instead",
                field,
            )
        if not nic.get("address"):
            mistakes.add(f"needs an address such as 192.0.2.10/24, or {DHCP}", f"{field}.address")
        own = [*_interfaces(nic.get("address") or (), f"{field}.address", mistakes)]
        _check_gateways(nic.get("gateway") or (), own, f"{field}.gateway", mistakes)
        for address in nic.get("dns") or ():
            _address(address, f"{field}.dns", mistakes)
        for one in own:
            other = seen.setdefault(str(one.ip), nic["name"])
            if other != nic["name"]:
                mistakes.add(f"{one.ip} is the address of {other} too", f"{field}.address")


def _interfaces(given: Iterable[str], field: str, mistakes: Mistakes) -> Iterator[Interface]:
    for text in given:
        if text == DHCP:
            continue
        try:
            if "/" not in text:
                raise ValueError
            one = ip_interface(text)
        except ValueError:
            said = f"{text!r} is no address with its network, such as 192.0.2.10/24"
            mistakes.add(f"{said}, nor {DHCP}", field)
            continue
        why_not = _why_no_host(one)
        if why_not:
            mistakes.add(f"{text} {why_not}", field)
        yield one


def _why_no_host(one: Interface) -> str:
    """Why no guest can have an address."""
    net = one.network
    if one.ip.is_multicast or one.ip.is_unspecified or one.ip.is_loopback:
        return "is no address of a host"
    if net.num_addresses > 2 and one.ip == net.network_address:
        return f"is the network {net} itself; give it an address in there"
    if one.version == 4 and net.num_addresses > 2 and one.ip == net.broadcast_address:
        return f"is what reaches all of {net}; give it another address in there"
    return ""


def _address(text: Any, field: str, mistakes: Mistakes) -> Any:
    try:
        return ip_address(str(text))
    except ValueError:
        mistakes.add(f"{text!r} is no IP address", field)
        return None


def _check_gateways(
    given: Iterable[Any], own: Sequence[Interface], field: str, mistakes: Mistakes
) -> None:
    seen: set[int] = set()
    for text in given:
        gateway = _address(text, field, mistakes)
        if gateway is None:
            continue
        nets = [one.network for one in own if one.version == gateway.version]
        is_beside = bool(nets) and gateway.version == 6 and gateway.is_link_local
        if not is_beside and not any(gateway in net for net in nets):
            inside = " and ".join(map(str, nets)) or f"any network of IPv{gateway.version} here"
            mistakes.add(f"{gateway} is outside of {inside}", field)
        elif any(gateway == one.ip for one in own):
            mistakes.add(f"{gateway} is the address of the VM itself", field)
        if gateway.version in seen:
            mistakes.add(f"{gateway} is a second one of IPv{gateway.version}; keep one", field)
        seen.add(gateway.version)


def config_of(nics: Nics) -> dict[str, Any]:
    """The network configuration that short forms become.

    It is of version 1: of version 2, cloud-init 22.4 gives ifupdown and sysconfig a default route
    of IPv6 to ::/64, and leaves the router of IPv6 out where that is said in another way.
    """
    devices = [
        _physical(f"nic{number}" if ":" in name else name, nic)
        for number, (name, nic) in enumerate(nics.items())
    ]
    return {"version": 1, "config": devices}


def _physical(name: str, nic: Mapping[str, Any]) -> dict[str, Any]:
    subnets = [_subnet(address) for address in nic["address"]]
    for gateway in nic.get("gateway", ()):
        version = ip_address(gateway).version
        first = next(one for one in subnets if one["type"] == STATIC[version])
        first["gateway"] = gateway
    servers = {"dns_nameservers": nic.get("dns"), "dns_search": nic.get("search")}
    subnets[0].update({key: value for key, value in servers.items() if value})
    return {"type": "physical", "name": name, "mac_address": nic["mac"], "subnets": subnets}


def _subnet(address: str) -> dict[str, Any]:
    if address == DHCP:
        return {"type": "dhcp4"}
    return {"type": STATIC[ip_interface(address).version], "address": address}


# ---- at length


def check_config(given: Mapping[str, Any] | None, mistakes: Mistakes) -> None:
    """What of a network configuration cloud-init would not read, and addresses that are none."""
    if given is None:
        return
    config = given.get("network", given)
    version = config.get("version") if isinstance(config, Mapping) else None
    if version not in (1, 2):
        said = "has no version" if version is None else "is of another version"
        mistakes.add(f"{said}; cloud-init reads version 1 and 2", "network_config")
        return
    for message in _no_shape(config, version):
        mistakes.add(message, "network_config")
    devices_of = _devices_of_1 if version == 1 else _devices_of_2
    for name, addresses, gateways in devices_of(config):
        field = f"network_config.{name}"
        own = [*_interfaces(addresses, field, mistakes)]
        if own:
            _check_gateways(gateways, own, field, mistakes)


def _no_shape(config: Mapping[str, Any], version: int) -> Iterator[str]:
    """What of it is of another type than cloud-init, or netplan, reads."""
    if version == 1:
        if not isinstance(config.get("config"), (list, tuple)):
            yield "of version 1 has a list, config"
        return
    for kind in KINDS_OF_DEVICES:
        devices = config.get(kind)
        if isinstance(devices, Mapping):
            yield from _no_devices(kind, devices)
        elif devices is not None:
            yield f"{kind} is no mapping of names to interfaces"


def _no_devices(kind: str, devices: Mapping[str, Any]) -> Iterator[str]:
    for name, one in devices.items():
        if not (one is None or isinstance(one, Mapping)):
            yield f"{kind}.{name} is no mapping"
        elif one and not isinstance(one.get("addresses") or [], (list, tuple)):
            yield f"{kind}.{name}.addresses is no list"


Device = tuple[str, list[str], list[str]]  # its name, addresses and gateways


def _devices_of_1(config: Mapping[str, Any]) -> Iterator[Device]:
    for number, one in enumerate(_list(config.get("config"))):
        if not isinstance(one, Mapping):
            continue
        subnets = [net for net in _list(one.get("subnets")) if isinstance(net, Mapping)]
        addresses = [_with_mask(net) for net in subnets if net.get("address")]
        gateways = [str(net["gateway"]) for net in subnets if net.get("gateway")]
        yield str(one.get("name") or number), addresses, gateways


def _with_mask(net: Mapping[str, Any]) -> str:
    address, mask = str(net["address"]), net.get("netmask")
    return address if "/" in address or not mask else f"{address}/{mask}"


def _devices_of_2(config: Mapping[str, Any]) -> Iterator[Device]:
    for kind in KINDS_OF_DEVICES:
        devices = config.get(kind)
        for name, one in devices.items() if isinstance(devices, Mapping) else ():
            said = one if isinstance(one, Mapping) else {}
            # netplan has an address with options of its own as a mapping of one
            found = [
                next(iter(a), "") if isinstance(a, Mapping) else a
                for a in _list(said.get("addresses"))
            ]
            gateways = [str(said[g]) for g in ("gateway4", "gateway6") if said.get(g)]
            yield str(name), [str(address) for address in found], gateways


def _list(value: Any) -> list[Any]:
    return [*value] if isinstance(value, (list, tuple)) else []


# ---- on a vswitch


def host_of(address: str) -> str:
    """An address without its network."""
    return address.partition("/")[0].lower()


def outside_of(vswitch: Element, address: str) -> str:
    """Why an address cannot be had on a vswitch that is in networks itself; empty where it can."""
    one = ip_interface(address)
    own = [net for net in _networks(vswitch) if net.version == one.version]
    if own and not any(one.ip in net.network for net in own):
        return f"is outside of {' and '.join(str(net.network) for net in own)}"
    return "is the address of the host there" if any(one.ip == net.ip for net in own) else ""


def handed_out(vswitch: Element, address: str) -> str:
    """The range of a vswitch's DHCP server that an address is in; empty where it is in none."""
    ip = ip_interface(address).ip
    for span in vswitch.findall("ip/dhcp/range"):
        first, last = (ip_address(span.get(end, "")) for end in ("start", "end"))
        if first.version == ip.version and int(first) <= int(ip) <= int(last):
            return f"{first} - {last}"
    return ""


def _networks(vswitch: Element) -> Iterator[Interface]:
    for ip in xmltree.find_all(vswitch, "ip"):
        size = ip.get("prefix") or ip.get("netmask")
        if ip.get("address") and size:
            yield ip_interface(f"{ip.get('address')}/{size}")
