# SPDX-License-Identifier: GPL-3.0-or-later
"""Bridges of Linux as the host tells of them, in the form in which Open vSwitch's are. Pure.

What our files say of a bridge is what is stored of it, and counts; what runs may be otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ....engine.cpu_lists import listed
from ....engine.keepers import BY_NETWORK_MANAGER, NETWORKD, UNITS
from ....engine.switch_facts import SwitchFacts
from ....engine.vlans import USUAL, ids_of
from . import links_unit, linux_files, network_manager_files
from .linux_commands import is_tunnel
from .linux_names import KINDS, bond_of, tagged, tunnel_of
from .seen import Switch

if TYPE_CHECKING:
    from ....engine.host import HostFacts

LEARNING = {"learns": "learning of peers", "learns_as_port": "learning on the bridge"}


def found_on(host: HostFacts, backend: str = "") -> dict[str, Any]:
    """What a host tells of bridges of Linux, with our `files`, and whether it `starts` units of
    systemd; and NetworkManager of those that it keeps, whom nobody else has to ask."""
    of = SwitchFacts(host)
    told = of.network_manager if backend == BY_NETWORK_MANAGER else {}
    beside = {"files": of.files, "starts": of.starts_units, "network_manager": told}
    return {**host.linux_bridges, **beside}


def seen(found: Mapping[str, Any]) -> dict[str, Any]:
    """The bridges that run or are stored."""
    links, stored = found.get("links", {}), stored_in(found["files"])
    names = {name for name, one in links.items() if one["kind"] == "bridge"}
    bridges = {name: _bridge(name, links, stored.get(name)) for name in sorted({*names, *stored})}
    return {"error": found.get("error", ""), "bridges": bridges}


def stored_in(files: Mapping[str, Mapping[str, str]]) -> dict[str, Switch]:
    """The bridges of ours, each as the files of whoever keeps it say."""
    return {
        **network_manager_files.stored_in(files.get(BY_NETWORK_MANAGER, {})),
        **linux_files.stored_in(files.get(NETWORKD, {})),
    }


def _bridge(name: str, links: Mapping[str, Any], stored: Switch | None) -> dict[str, Any]:
    own = {} if stored is None else _stored_ports(name, stored)
    # A bond of ours holds nobody else's, and an uplink may be where an interrupted run left it.
    ours = {bond_of(name), tunnel_of(name), *stored.nics} if stored is not None else set()
    others = [port for port, one in links.items() if one["master"] == name and port not in ours]
    tunnels = {"overlay": stored.overlay.note} if stored and stored.overlay else {}
    return {
        **tunnels,
        "owner": "" if stored is None else stored.owner,
        "mtu": 0 if stored is None else stored.mtu,
        "backend": "" if stored is None else stored.backend,
        "vlans": [] if stored is None else list(stored.vlans),
        "host_ports": {port.name: port.note for port in stored.host_ports} if stored else {},
        "ports": {**{port: _port(port, links) for port in sorted(others)}, **own},
    }


def _stored_ports(bridge: str, stored: Switch) -> dict[str, Any]:
    if not stored.nics:
        return {}
    many = len(stored.nics) > 1
    name = bond_of(bridge) if many else stored.nics[0]
    port = {
        "uplink": True,
        "nics": dict.fromkeys(stored.nics, stored.mtu),
        "mode": KINDS[stored.teaming][0] if many else "",
        "lacp": "",
        "primary": stored.primary,
    }
    return {name: port}


def _port(name: str, links: Mapping[str, Any]) -> dict[str, Any]:
    members = sorted(nic for nic, one in links.items() if one["master"] == name)
    nics = dict.fromkeys(members or [name], 0)
    return {"uplink": False, "nics": nics, "mode": "", "lacp": "", "primary": ""}


def vlans_of(ranges: Iterable[Sequence[Any]]) -> dict[str, Any]:
    """The VLANs of a port by the options of a port group: in one, or on a trunk."""
    pvid, trunk = 0, set()
    for first, last, flags in ranges:
        if "pvid" in flags:
            pvid = first
        if "untagged" not in flags:
            trunk |= {*range(first, last + 1)}
    if not trunk:
        return {"vlan": pvid, "native_vlan": 0, "trunk": []}
    return {"vlan": 0, "native_vlan": pvid, "trunk": listed(trunk).split(",")}


# ---- what runs otherwise than it is stored


def astray(
    found: Mapping[str, Any], bridge: str, stored: Switch, mac: str
) -> tuple[dict[str, str], dict[str, str]]:
    """What of a bridge is otherwise than it is stored: as it is, and as it is to be."""
    pairs = [
        *_bridge_astray(found["links"], bridge, stored),
        *_uplinks_astray(found, bridge, stored),
        *_tunnels_astray(found, bridge, stored),
        *_host_vlans_astray(found, bridge, stored),
        *_files_astray(found, bridge, stored, mac),
        *unit_astray(found, bridge, stored, True),
    ]
    return {of: was for of, was, _will in pairs}, {of: will for of, _was, will in pairs}


Pairs = Iterator[tuple[str, str, str]]


def _bridge_astray(links: Mapping[str, Any], bridge: str, stored: Switch) -> Pairs:
    link = links.get(bridge)
    if link is None:
        yield bridge, "not there", "there"
        return
    if not link["filtering"]:
        yield f"{bridge} VLAN filtering", "off", "on"
    yield from _set(links, bridge, stored)


def _set(links: Mapping[str, Any], name: str, stored: Switch) -> Pairs:
    """Whether an interface is up, and its MTU."""
    link = links[name]
    if not link["up"]:
        yield name, "down", "up"
    if stored.mtu and link["mtu"] != stored.mtu:
        yield f"{name} MTU", str(link["mtu"]), str(stored.mtu)


def _uplinks_astray(found: Mapping[str, Any], bridge: str, stored: Switch) -> Pairs:
    links, bond = found["links"], bond_of(bridge)
    many = len(stored.nics) > 1
    place = bond if many else bridge
    for nic in stored.nics:
        master = links.get(nic, {}).get("master", "")
        if master != place:
            yield nic, _on(master), _on(place)
        else:
            yield from _set(links, nic, stored)
    members = {nic for nic, one in links.items() if one["master"] == bond} - {*stored.nics}
    yield from ((nic, _on(bond), _on("")) for nic in sorted(members))
    if many and bond in links:
        yield from _bond_astray(links, bond, bridge, stored)
    elif bond in links:
        yield bond, "there", "not there"
    for port in [bond] if many else stored.nics:
        if port in links:
            yield from _vlans_astray(port, found["vlans"].get(port, ()), stored.vlans)


def _tunnels_astray(found: Mapping[str, Any], bridge: str, stored: Switch) -> Pairs:
    name, overlay = tunnel_of(bridge), stored.overlay
    link = found["links"].get(name)
    if link is None or overlay is None:
        if (link is None) != (overlay is None):
            yield name, *(("there", "not there") if overlay is None else ("not there", "there"))
        return
    if not is_tunnel(link, overlay):
        yield f"{name} tunnel", _tunnel_said(link.get("tunnel", {})), _tunnel_said(overlay.said)
        return
    if link["master"] != bridge:
        yield name, _on(link["master"]), _on(bridge)
    peers = link["tunnel"]["peers"]
    if {*peers} != {*overlay.peers}:
        yield f"{name} peers", ", ".join(peers) or "none", ", ".join(overlay.peers)
    yield from _forwarding_astray(name, link["tunnel"])
    yield from _set(found["links"], name, stored)
    yield from _vlans_astray(name, found["vlans"].get(name, ()), ())


def _forwarding_astray(name: str, tunnel: Mapping[str, Any]) -> Pairs:
    """What keeps frames from their way, and what sends them another."""
    if tunnel.get("isolated"):
        yield f"{name} isolated", "on", "off"
    for of, what in LEARNING.items():
        if not tunnel.get(of, True):
            yield f"{name} {what}", "off", "on"
    fixed = [
        " ".join([mac, *([f"to {peer}"] if peer else []), *([f"VLAN {vlan}"] if vlan else [])])
        for mac, peer, vlan in tunnel.get("fixed", ())
    ]
    if fixed:
        yield f"{name} fixed addresses", ", ".join(fixed), "none"


def _tunnel_said(of: Mapping[str, Any]) -> str:
    said = ((name, of.get(name, "")) for name in ("id", "local", "port"))
    return " ".join(f"{name}={value}" for name, value in said if value) or "no VXLAN"


def _on(place: str) -> str:
    return f"on {place or 'nothing'}"


def _vlans_astray(port: str, has: Iterable[Sequence[Any]], stored: Sequence[str]) -> Pairs:
    """What has no tag counts as one of them."""
    are = {vlan for first, last, _flags in has for vlan in range(first, last + 1)}
    will = {USUAL, *ids_of(tagged(stored))}
    if are != will:
        was = listed(are) if stored else "not all"
        yield f"{port} VLANs", was or "none", listed(will) if stored else "all"


def _bond_astray(links: Mapping[str, Any], bond: str, bridge: str, stored: Switch) -> Pairs:
    link, mode = links[bond], KINDS[stored.teaming][0]
    if link["master"] != bridge:
        yield bond, _on(link["master"]), _on(bridge)
    if link["mode"] != mode:
        yield f"{bond} mode", link["mode"], mode
    if link["primary"] != stored.primary:
        yield f"{bond} primary", link["primary"] or "none", stored.primary or "none"
    yield from _set(links, bond, stored)


def _host_vlans_astray(found: Mapping[str, Any], bridge: str, stored: Switch) -> Pairs:
    """The VLANs of host ports that the bridge itself is not in."""
    has = found["vlans"].get(bridge, ())
    for port in stored.host_ports:
        if port.vlan and not any(first <= port.vlan <= last for first, last, _flags in has):
            yield f"{bridge} VLAN {port.vlan}", "without the host", "with the host"


def _files_astray(found: Mapping[str, Any], bridge: str, stored: Switch, mac: str) -> Pairs:
    backend = stored.backend or NETWORKD
    are = linux_files.of_bridge(found["files"].get(backend, {}), bridge)
    if backend == BY_NETWORK_MANAGER:
        will = network_manager_files.files_of(bridge, stored, mac)
        yield from files_astray(are, will)
        yield from network_manager_files.astray(found["network_manager"]["connections"], will)
        return
    yield from files_astray(are, linux_files.files_of(bridge, stored, mac))


def beside_astray(found: Mapping[str, Any], bridge: str, stored: Switch) -> Pairs:
    """The files and the unit of a bridge of Open vSwitch."""
    will = {
        NETWORKD: linux_files.files_beside(bridge, stored),
        BY_NETWORK_MANAGER: network_manager_files.files_beside(bridge, stored),
    }
    for backend, files in will.items():
        are = linux_files.of_bridge(found["files"].get(backend, {}), bridge)
        yield from files_astray(are, files)
    yield from unit_astray(found, bridge, stored, False)


def unit_astray(found: Mapping[str, Any], bridge: str, stored: Switch, of_linux: bool) -> Pairs:
    """The unit of a switch, which a host without systemd has not."""
    are = links_unit.of_bridge(found["files"].get(UNITS, {}), bridge)
    will = links_unit.files_of(bridge, stored, of_linux) if found["starts"] else {}
    yield from files_astray(are, will)


def files_astray(are: Mapping[str, str], will: Mapping[str, str]) -> Pairs:
    """The files that are not as they are to be."""
    for name in sorted(name for name in {*are, *will} if are.get(name) != will.get(name)):
        was = "not there" if name not in are else "otherwise"
        yield name, was, "as declared" if name in will else "not there"
