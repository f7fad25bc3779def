# SPDX-License-Identifier: GPL-3.0-or-later
"""What leads a bridge of Open vSwitch, and the addresses of uplinks, back. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from . import overlay, overlay_commands
from .commands import MARK, UPLINK, keeping
from .host_port_commands import NOTE

Command = list[str]


def leading_back(seen: Mapping[str, Any], saved: Mapping[str, Any]) -> Iterator[Command]:
    """From whatever a bridge is now to what is saved of it. Ports of VMs stay."""
    bridge, was = saved["bridge"], saved["of_ovs"]
    now = seen.get("bridges", {}).get(bridge)
    if was is None:
        yield ["--if-exists", "del-br", bridge]
        return
    there = {} if now is None else now["ports"]
    if now is None:
        yield ["--may-exist", "add-br", bridge]
        yield ["set", "Bridge", bridge, f"{MARK}={was['owner']}"]
    yield from _gone(bridge, was, now or {"ports": {}})
    for name, port in was["ports"].items():
        if port["uplink"] or _touched(name, port, saved):
            yield from _port(bridge, name, port, there.get(name))
            yield from _vlans(name, saved["vlans"])
    for name, note in was.get("host_ports", {}).items():
        yield ["--may-exist", "add-port", bridge, name]
        yield ["set", "Interface", name, "type=internal"]
        yield from _vlans(name, saved["vlans"])
        yield ["set", "Port", name, f"{NOTE}={json.dumps(note)}"]
        mtu = json.loads(note).get("mtu") or was["mtu"]
        yield _mtu(name, mtu)
    yield from keeping((now or {}).get("backend", ""), bridge, was.get("backend", ""))
    yield _mtu(bridge, was["mtu"])
    yield from overlay_commands.making(seen, bridge, overlay.noted(was.get("overlay", "")))


def _touched(name: str, port: Mapping[str, Any], saved: Mapping[str, Any]) -> bool:
    """Whether a port of others was one that the change took up."""
    nics = {*saved["will"]["uplinks"]["nics"]}
    return name in nics or bool(nics & {*port["nics"]})


def _gone(bridge: str, was: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Command]:
    """Uplinks and host ports that were not there, or had others in them."""
    for name, port in now["ports"].items():
        before = was["ports"].get(name)
        goes = port["uplink"] if before is None else {*before["nics"]} != {*port["nics"]}
        if goes:
            yield ["--if-exists", "del-port", bridge, name]
    for name in now.get("host_ports", {}):
        if name not in was.get("host_ports", {}):
            yield ["--if-exists", "del-port", bridge, name]


def _port(bridge: str, name: str, port: Mapping[str, Any], now: Any) -> Iterator[Command]:
    nics = [*port["nics"]]
    if now is None or {*now["nics"]} != {*nics}:
        yield ["add-bond", bridge, name, *nics] if len(nics) > 1 else ["add-port", bridge, name]
    if len(nics) > 1:
        mode, lacp = port["mode"] or "active-backup", port["lacp"] or "off"
        yield ["set", "Port", name, f"bond_mode={mode}", f"lacp={lacp}"]
    yield ["remove", "Port", name, "other_config", "bond-primary"]
    if port["primary"]:
        yield ["set", "Port", name, f"other_config:bond-primary={port['primary']}"]
    key = MARK.partition(":")[2]
    marked = ["set", "Port", name, f"{MARK}={UPLINK}"]
    yield marked if port["uplink"] else ["remove", "Port", name, "external_ids", key]
    for nic, mtu in port["nics"].items():
        yield _mtu(nic, mtu)


def _vlans(name: str, vlans: Mapping[str, Any]) -> Iterator[Command]:
    tag, trunks, mode = vlans.get(name, [0, [], ""])
    yield ["clear", "Port", name, "tag", "trunks", "vlan_mode"]
    said = [f"tag={tag}"] if tag else []
    said += [f"trunks={','.join(map(str, trunks))}"] if trunks else []
    said += [f"vlan_mode={mode}"] if mode else []
    if said:
        yield ["set", "Port", name, *said]


def _mtu(name: str, mtu: int) -> Command:
    if mtu:
        return ["set", "Interface", name, f"mtu_request={mtu}"]
    return ["clear", "Interface", name, "mtu_request"]


# ---- interfaces of the host


def mtus(saved: Mapping[str, Any], links: Mapping[str, Any]) -> Iterator[Command]:
    """Open vSwitch leaves an uplink what it had been asked for, and gives its own ports no more."""
    for nic, mtu in saved.get("mtus", {}).items():
        if mtu and nic in links and links[nic]["mtu"] != mtu:
            yield ["ip", "link", "set", "dev", nic, "mtu", str(mtu)]


def missing(uplinks: Mapping[str, Any], links: Mapping[str, Any]) -> list[str]:
    """The addresses and gateways that uplinks had and have no more."""
    return [
        one
        for nic, had in uplinks.items()
        for of in ("addresses", "gateways")
        for one in had[of]
        if one not in links.get(nic, {}).get(of, ())
    ]


def addresses(uplinks: Mapping[str, Any]) -> Iterator[Command]:
    """Set them by hand, where nobody else does."""
    for nic, had in uplinks.items():
        yield ["ip", "link", "set", "dev", nic, "up"]
        yield from (["ip", "address", "replace", one, "dev", nic] for one in had["addresses"])
        for via in had["gateways"]:
            family = "-6" if ":" in via else "-4"
            yield ["ip", family, "route", "replace", "default", "via", via, "dev", nic]
