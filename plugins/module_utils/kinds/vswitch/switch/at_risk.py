# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a change of a switch could cut off whoever makes it, and what leads back. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from .host_ports import every_address, interface_of
from .linux_names import bond_of
from .seen import Switch

if TYPE_CHECKING:
    from ....engine.host import HostFacts

Links = Mapping[str, Mapping[str, Any]]
TIMEOUT_S = 60


def why(now: Switch, will: Switch, at: tuple[str, bool], way_in: str, links: Links) -> str:
    """What of the host's own way is on it; empty where a change cuts nobody off.

    `at` is the bridge, and whether it is one of Linux.
    """
    names = sorted({*_interfaces(now, *at), *_interfaces(will, *at)})
    for name in (one for one in names if one in links):
        link = links[name]
        if _came_by(way_in, name, link):
            return f"Ansible came by {way_in} on {name}"
        if link["default"]:
            return f"the host's default route is by {name}"
    moved = every_address(now.host_ports) ^ every_address(will.host_ports)
    if way_in in {one.split("/")[0] for one in moved}:
        return f"Ansible came by {way_in}"
    taken = [one for nic in will.nics for one in links.get(nic, {}).get("addresses", ())]
    return f"{', '.join(taken)} of the host moves" if taken else ""


def way_by_port(was: Switch, at: tuple[str, bool], way_in: str, links: Links) -> str:
    """By which host port Ansible came; empty where it did not come by one."""
    for name in (interface_of(at[0], port, at[1]) for port in was.host_ports):
        if name in links and _came_by(way_in, name, links[name]):
            return f"Ansible came by {way_in} on {name}"
    return ""


def _came_by(way_in: str, name: str, link: Mapping[str, Any]) -> bool:
    return bool(way_in) and (way_in in _bare(link) or way_in.endswith(f"%{name}"))


def _interfaces(switch: Switch, bridge: str, of_linux: bool) -> Iterator[str]:
    yield from (bridge, *switch.nics)
    yield bond_of(bridge)
    yield from (interface_of(bridge, port, of_linux) for port in switch.host_ports)


def _bare(link: Mapping[str, Any]) -> set[str]:
    return {one.split("/")[0] for one in link["addresses"]}


def found(machine: HostFacts) -> dict[str, Any]:
    """What is asked of a host for that."""
    return {"links": machine.links, "open_vswitch": machine.open_vswitch}


def saved(
    bridge: str, of_linux: bool, now: Switch | None, will: Switch, found: Mapping[str, Any]
) -> dict[str, Any]:
    """What leads back: the switch as it is, and the addresses and routes of its uplinks, of what
    was `found` of Open vSwitch (`open_vswitch`) and of the interfaces (`links`)."""
    nics = {*will.nics, *(now.nics if now else ())}
    links: Links = found["links"]
    uplinks = {
        nic: {"addresses": links[nic]["addresses"], "gateways": links[nic].get("gateways", [])}
        for nic in sorted(nics)
        if nic in links and links[nic]["addresses"]
    }
    seen = found.get("open_vswitch", {})
    was = seen.get("bridges", {}).get(bridge)
    ports = {} if was is None else seen.get("ports", {})
    names = set() if was is None else {*was["ports"], *was.get("host_ports", ())}
    return {
        "bridge": bridge,
        "of_linux": of_linux,
        "was": None if now is None else now.facts,
        "will": will.facts,
        "of_ovs": was,
        "vlans": {name: ports[name] for name in sorted(names) if name in ports},
        "uplinks": uplinks,
        "mtus": {nic: links[nic].get("mtu", 0) for nic in sorted(nics) if nic in links},
    }
