# SPDX-License-Identifier: GPL-3.0-or-later
"""The screens of a VM can be served at the target: on an address that it has, on a free port."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from ...engine import xmltree
from ...engine.xmltree import Element
from ...kinds.vm.states import PAUSED, RUNNING
from ..case import Case
from ..findings import Finding

PORTS = ("port", "tlsPort", "websocket")
ABOUT = "graphics"


def screens(case: Case) -> Iterator[Finding]:
    """Each screen can listen there as it does here."""
    for graphics in case.sent.findall("devices/graphics"):
        found = [*_address(case, graphics), *_ports(case, graphics)]
        yield from found
        if not found:
            message = f"its screen ({graphics.get('type')}) can be served there"
            yield case.passed("graphics", message, ABOUT)


def _address(case: Case, graphics: Element) -> Iterator[Finding]:
    listen = graphics.find("listen[@type='address']")
    said = (listen.get("address") if listen is not None else None) or graphics.get("listen") or ""
    if not said or _is_everywhere(said):
        return
    networks = [network for _name, network in case.target.host.routes]
    todo = "let it listen on 0.0.0.0 or 127.0.0.1 (graphics.listen), and restart the VM"
    sides = {"source": f"listens on {said}"}
    if not networks:
        message = f"it listens on {said}; whether the target has that address is not known"
        yield case.warned("graphics", message, todo, "graphics.listen", **sides)
    elif not any(_is_in(said, network) for network in networks):
        message = f"it listens on {said}, which is no address of the target"
        yield case.failed("graphics", message, todo, "graphics.listen", **sides)


def _is_everywhere(said: str) -> bool:
    try:
        address = ipaddress.ip_address(said)
    except ValueError:
        return said == "localhost"
    return address.is_loopback or address.is_unspecified


def _is_in(said: str, network: str) -> bool:
    try:
        return ipaddress.ip_address(said) in ipaddress.ip_network(network)
    except ValueError:
        return True  # a name, which may lead there


def _ports(case: Case, graphics: Element) -> Iterator[Finding]:
    """libvirt chooses another port only where it chose this one."""
    own = set() if graphics.get("autoport") == "yes" else _ports_of(graphics)
    for name, have in case.target.vms().items() if own and case.mode.is_live else ():
        runs = have.live is not None and have.facts.get("state") in (RUNNING, PAUSED)
        if name == case.move.vm or not runs:
            continue
        taken = {
            port for one in have.running.findall("devices/graphics") for port in _ports_of(one)
        }
        for port in sorted(own & taken):
            yield case.failed(
                "graphics",
                f"its port {port} is one of vm/{name}, which runs at the target",
                "let libvirt choose (graphics.port: -1), and restart the VM",
                "graphics.port",
                source=str(port),
                target=name,
            )


def _ports_of(graphics: Element) -> set[int]:
    if xmltree.get(graphics, "listen/@type") in ("socket", "none"):
        return set()
    said = (int(graphics.get(port) or -1) for port in PORTS)
    return {port for port in said if port > 0}
