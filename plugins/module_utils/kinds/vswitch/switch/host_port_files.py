# SPDX-License-Identifier: GPL-3.0-or-later
"""The files by which systemd-networkd gives host ports their addresses. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from .host_ports import HostPort


def addressing(port: HostPort) -> str:
    """What a `.network` file says of a host port: the rest of [Network], and its routes."""
    # Neighbours in IPv6 are found by addresses of the link.
    of_link = "ipv6" if any(":" in one for one in port.addresses) else "no"
    lines = ["ConfigureWithoutCarrier=yes", f"LinkLocalAddressing={of_link}", "IPv6AcceptRA=no"]
    lines += [f"Address={one}" for one in port.addresses]
    lines += [f"Gateway={one}" for one in port.gateways]
    routes = (f"\n[Route]\nDestination={to}\nGateway={via}\n" for to, via in port.routes)
    return "".join(f"{line}\n" for line in lines) + "".join(routes)


def files_of(own: str, port: HostPort, bridge: str, mtu: int) -> Iterator[tuple[str, str]]:
    """The files of one that has an interface of its own; `bridge` is what a VLAN of Linux is on,
    empty of Open vSwitch, which makes its ports itself."""
    limit = f"MTUBytes={port.mtu or mtu}\n" if port.mtu or mtu else ""
    # The start of a host waits for the port by which it reaches others.
    waits = "" if port.gateways else "RequiredForOnline=no\n"
    link = f"[Link]\n{waits}{limit}\n" if waits or limit else ""
    if bridge:
        made = f"[NetDev]\nName={port.name}\nKind=vlan\n\n[VLAN]\nId={port.vlan}\n"
        yield f"{own}+{port.name}.netdev", made
    match = f"[Match]\nName={port.name}\n\n"
    yield f"{own}+{port.name}.network", f"{match}{link}[Network]\n{addressing(port)}"
