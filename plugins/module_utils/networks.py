# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's networks as they are on a host, the host's own networks, and who is attached."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Union

from ansible_collections.kvm.fleet.plugins.module_utils import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.connection import Host, found, libvirt
from ansible_collections.kvm.fleet.plugins.module_utils.domains import PAUSED, RUNNING
from ansible_collections.kvm.fleet.plugins.module_utils.plan import Have
from ansible_collections.kvm.fleet.plugins.module_utils.xmltree import Element

IpNetwork = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]

IFF_TAP = 0x0002  # Linux, include/uapi/linux/if_tun.h
# Below this many it is cheaper to look names up than to list all networks of a host.
FEW = 8


# ---- libvirt's networks


def look_up(host: Host, name: str) -> Any:
    """libvirt's handle of a network, None where there is none."""
    return found(host.conn.networkLookupByName, name, libvirt.VIR_ERR_NO_NETWORK)


def read_networks(host: Host, names: Iterable[str] | None = None) -> dict[str, Have]:
    """The named networks (None: all), also those that are not there, with stored and live XML."""
    with host.errors("", "read the networks"):
        if names is None:
            return {net.name(): _have(host, net) for net in host.conn.listAllNetworks()}
        wanted = list(names)
        there = {net.name(): net for net in _look_up_all(host, wanted)}
        return {
            name: _have(host, there[name]) if name in there else Have("vswitch", name)
            for name in wanted
        }


def _look_up_all(host: Host, names: list[str]) -> list[Any]:
    if len(names) > FEW:
        return list(host.conn.listAllNetworks())
    return [net for net in (look_up(host, name) for name in names) if net is not None]


def _have(host: Host, net: Any) -> Have:
    active, persistent = bool(net.isActive()), bool(net.isPersistent())
    facts = {
        "state": "active" if active else "inactive",
        "autostart": persistent and bool(net.autostart()),
        "persistent": persistent,
    }
    # The driver for tests knows one definition only, and no flag.
    inactive = 0 if host.driver == "TEST" else libvirt.VIR_NETWORK_XML_INACTIVE
    live = xmltree.parse(net.XMLDesc(0)) if active else None
    return Have("vswitch", net.name(), xmltree.parse(net.XMLDesc(inactive)), live, facts)


def leases_of(network: Any) -> list[dict[str, Any]]:
    """The addresses that DHCP gave on an active network, as far as libvirt's driver knows them."""
    try:
        return list(network.DHCPLeases())
    except libvirt.libvirtError as error:
        if error.get_error_code() in (libvirt.VIR_ERR_NO_SUPPORT, libvirt.VIR_ERR_NO_NETWORK):
            return []
        raise


# ---- who is attached


@dataclass(frozen=True)
class Nic:
    """A VM's NIC on a vswitch."""

    vm: str
    mac: str
    target: str  # the tap device on the host; "" of a VM that does not run
    running: bool
    by_name: bool  # on the network by its name; else on its bridge by that one's name


def attached(domains: Mapping[str, Have], network: str, bridge: str | None) -> list[Nic]:
    """The NICs on a network, by its name or its bridge's: of what runs, or else what is stored."""
    return [
        nic for _name, have in sorted(domains.items()) for nic in _nics_of(have, network, bridge)
    ]


def _nics_of(have: Have, network: str, bridge: str | None) -> Iterator[Nic]:
    running = have.facts.get("state") in (RUNNING, PAUSED)
    domain = have.live if running else have.stored
    for nic in nics_on(domain, network, bridge) if domain is not None else ():
        target = xmltree.get(nic, "target/@dev") if running else None
        by_name = nic.get("type") == "network"
        yield Nic(have.name, xmltree.get(nic, "mac/@address") or "", target or "", running, by_name)


def nics_on(domain: Element, network: str, bridge: str | None) -> Iterator[Element]:
    """The interface elements of a domain that are on this network."""
    for nic in domain.findall("devices/interface"):
        source = nic.find("source")
        if source is None:
            continue
        by_name = nic.get("type") == "network" and source.get("network") == network
        by_bridge = nic.get("type") == "bridge" and bridge and source.get("bridge") == bridge
        if by_name or by_bridge:
            yield nic


# ---- the host's own networks


def host_networks(host: Host) -> list[tuple[str, IpNetwork]]:
    """The networks that a local host is in itself, with the interface of each; else nothing.

    What it reaches through a gateway does not count: a route to a part of that may well be another.
    """
    if not is_this_machine(host):
        return []
    return [*connected4(_read("/proc/net/route")), *connected6(_read("/proc/net/ipv6_route"))]


def has_interface(host: Host, name: str) -> bool:
    """Whether a local host has a network interface of this name."""
    return is_this_machine(host) and Path("/sys/class/net", name).exists()


def has_bridge(host: Host, name: str) -> bool | None:
    """Whether the host has such a bridge; None where that cannot be told."""
    if is_this_machine(host):
        device = Path("/sys/class/net", name)
        of_switch = "DEVTYPE=openvswitch" in _read(str(device / "uevent"))
        return of_switch or (device / "bridge").is_dir()
    try:
        there = found(host.conn.interfaceLookupByName, name, libvirt.VIR_ERR_NO_INTERFACE)
        return there is not None
    except libvirt.libvirtError:
        return None  # its interface driver is not installed, or cannot work there


def is_on_bridge(host: Host, tap: str, bridge: str) -> bool:
    """Whether a tap of this machine is on a bridge; of another machine, nobody can tell."""
    return not is_this_machine(host) or Path("/sys/class/net", bridge, "brif", tap).exists()


def loose_taps(host: Host) -> set[str]:
    """The taps of this machine that are on no bridge or switch; of another, none are known."""
    if not is_this_machine(host):
        return set()
    devices = Path("/sys/class/net").iterdir()
    return {d.name for d in devices if not (d / "master").exists() and _is_tap(d)}


def _is_tap(device: Path) -> bool:
    flags = _read(str(device / "tun_flags")).strip()
    return bool(flags) and bool(int(flags, 16) & IFF_TAP)


def is_this_machine(host: Host) -> bool:
    """Whether the host's interfaces are those that can be seen here. Behind a socket of its own
    libvirt may be in another network namespace."""
    return host.is_local and "socket=" not in host.uri


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError:
        return ""


def connected4(routes: str) -> Iterator[tuple[str, IpNetwork]]:
    """The networks in the text of /proc/net/route to which no gateway leads."""
    for line in routes.splitlines()[1:]:
        columns = line.split()
        destination, gateway, mask = (
            ipaddress.ip_address(bytes.fromhex(columns[place])[::-1]) for place in (1, 2, 7)
        )
        if not int(gateway) and int(mask):
            yield columns[0], ipaddress.ip_network(f"{destination}/{mask}")


def connected6(routes: str) -> Iterator[tuple[str, IpNetwork]]:
    """The networks in the text of /proc/net/ipv6_route to which no gateway leads."""
    for line in routes.splitlines():
        columns = line.split()
        network = ipaddress.ip_network((bytes.fromhex(columns[0]), int(columns[1], 16)))
        everywhere = network.is_link_local or network.is_multicast or network.is_loopback
        if not int(columns[4], 16) and 0 < network.prefixlen < 128 and not everywhere:
            yield columns[9], network
