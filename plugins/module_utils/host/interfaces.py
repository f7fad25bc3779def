# SPDX-License-Identifier: GPL-3.0-or-later
"""The network interfaces of this machine, and the networks that it is in, as facts."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from pathlib import Path
from typing import Union

from ..engine.looked_at import Interface
from .connection import Host, found, libvirt

IpNetwork = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]

DEVICES = Path("/sys/class/net")
IFF_TAP = 0x0002  # Linux, include/uapi/linux/if_tun.h


def read_interfaces() -> dict[str, Interface]:
    """All network interfaces."""
    return {device.name: _interface(device) for device in sorted(DEVICES.iterdir())}


def _interface(device: Path) -> Interface:
    is_bridge = (device / "bridge").is_dir()
    return Interface(
        is_bridge,
        "DEVTYPE=openvswitch" in _read(device / "uevent"),
        _is_tap(device),
        _master(device),
        _read(device / "address").strip() if is_bridge else "",
    )


def _master(device: Path) -> str:
    try:
        return (device / "master").readlink().name
    except OSError:
        return ""


def _is_tap(device: Path) -> bool:
    flags = _read(device / "tun_flags").strip()
    return bool(flags) and bool(int(flags, 16) & IFF_TAP)


def read_mtu(name: str) -> int:
    """The MTU of an interface; 0 of one that is not there."""
    return int(_read(DEVICES / name / "mtu").strip() or 0)


def read_far_interface(host: Host, name: str) -> bool | None:
    """Whether another machine has an interface, as libvirt knows it; None where nobody can tell."""
    try:
        there = found(host.conn.interfaceLookupByName, name, libvirt.VIR_ERR_NO_INTERFACE)
        return there is not None
    except libvirt.libvirtError:
        return None  # its interface driver is not installed, or cannot work there


def read_routes() -> list[tuple[str, str]]:
    """The networks that the machine is in itself, with the interface of each.

    What it reaches through a gateway does not count: a route to a part of that may well be another.
    """
    routes = [
        *connected4(_read(Path("/proc/net/route"))),
        *connected6(_read(Path("/proc/net/ipv6_route"))),
    ]
    return [(name, str(network)) for name, network in routes]


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
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
