# SPDX-License-Identifier: GPL-3.0-or-later
"""Bridges of Linux on this machine as `ip` and `bridge` tell them."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .port_vlans import range_of

_MACHINE_ID = Path("/etc/machine-id")
Told = list[dict[str, Any]]
TUNNEL, VXLAN = "tunnel", "vxlan"
EVERYBODY = "00:00:00:00:00:00"  # where a tunnel sends what it knows no other way for


def read_linux_bridges() -> dict[str, Any]:
    """The `links` that are bridges, bonds, tunnels or on one, the `vlans` of each, and which of the
    hosts it is (`host`)."""
    listed = told("ip", "-j", "-d", "link", "show")
    links, own = links_in(listed), {one.get("ifname"): one.get("address", "") for one in listed}
    for name in (name for name, one in links.items() if TUNNEL in one):
        rows = told("bridge", "-j", "fdb", "show", "dev", name)
        links[name][TUNNEL].update(peers=peers_in(rows), fixed=fixed_in(rows, own[name]))
    return {
        "links": links,
        "vlans": vlans_in(told("bridge", "-j", "-compressvlans", "vlan", "show")),
        "host": _host(),
    }


def _host() -> str:
    """What no other host has; not the id itself, which is not for the network (machine-id(5))."""
    try:
        told = _MACHINE_ID.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""
    return hashlib.sha256(f"kvm.fleet:{told}".encode()).hexdigest()[:16] if told else ""


# ---- what iproute2 tells


def links_in(rows: Told) -> dict[str, dict[str, Any]]:
    """The bridges, the bonds, the tunnels of VXLAN, and what is on one, in what `ip` lists."""
    links = {one["ifname"]: _link(one) for one in rows if "ifname" in one}
    kinds = ("bridge", "bond", VXLAN)
    return {n: one for n, one in links.items() if one["kind"] in kinds or one["master"]}


def _link(row: Mapping[str, Any]) -> dict[str, Any]:
    info = row.get("linkinfo", {})
    said = info.get("info_data", {})
    return {
        "kind": str(info.get("info_kind", "")),
        "master": row.get("master", ""),
        "mtu": row.get("mtu", 0),
        "up": "UP" in row.get("flags", ()),
        "filtering": bool(said.get("vlan_filtering", 0)),
        "pvid": said.get("vlan_default_pvid", 0),
        "mode": str(said.get("mode", "")),
        "primary": str(said.get("primary", "")),
        **({TUNNEL: _tunnel(info)} if info.get("info_kind") == VXLAN else {}),
    }


def _tunnel(info: Mapping[str, Any]) -> dict[str, Any]:
    """It learns who is behind which peer, and as a port of a bridge, who is behind it at all."""
    said, as_port = info.get("info_data", {}), info.get("info_slave_data", {})
    return {
        "id": said.get("id", 0),
        "local": said.get("local") or said.get("local6") or "",
        "port": said.get("port", 0),
        "peers": [],
        "learns": bool(said.get("learning", True)),
        "learns_as_port": bool(as_port.get("learning", True)),
        "isolated": bool(as_port.get("isolated", False)),
        "fixed": [],
    }


def peers_in(rows: Told) -> list[str]:
    """The other ends of a tunnel, in what `bridge` lists of it."""
    return sorted(str(one["dst"]) for one in rows if one.get("mac") == EVERYBODY and "dst" in one)


def fixed_in(rows: Told, own: str) -> list[list[Any]]:
    """What somebody set of a tunnel and nothing makes it forget: addresses that are always behind a
    peer, or of its port on the bridge (no peer), each with its VLAN (0: in none). The kernel has
    the port's `own` there."""
    return sorted(
        [str(one["mac"]), str(one.get("dst", "")), int(one.get("vlan", 0))]
        for one in rows
        if one.get("mac", EVERYBODY) not in (EVERYBODY, own)
        and one.get("state") in ("static", "permanent")
        and ("dst" in one or "master" in one)
    )


def vlans_in(rows: Told) -> dict[str, list[list[Any]]]:
    """Of each port its VLANs, as ranges: the first, the last, and `pvid` and `untagged`."""
    return {
        one["ifname"]: [list(range_of(vlan)) for vlan in one.get("vlans", ())]
        for one in rows
        if "ifname" in one
    }


def told(*command: str) -> Told:
    """What a program of iproute2 lists; nothing where it is not there or knows nothing."""
    said = _said(*command)
    rows: Told = json.loads(said) if said.strip() else []
    return rows


def _said(*command: str) -> str:
    done = called(command)
    return "" if done is None else done.stdout


def called(command: Sequence[str]) -> subprocess.CompletedProcess[str] | None:
    """What a program said; None where the host has none of that name."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return None
