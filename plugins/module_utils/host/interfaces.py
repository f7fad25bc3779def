# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's own network interfaces and networks."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from pathlib import Path
from typing import Union

from .connection import Host, found, libvirt

IpNetwork = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]

IFF_TAP = 0x0002  # Linux, include/uapi/linux/if_tun.h


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
