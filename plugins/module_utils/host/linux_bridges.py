# SPDX-License-Identifier: GPL-3.0-or-later
"""Bridges of Linux on this machine as `ip` and `bridge` tell them, who keeps its network, and the
files of ours from which that makes them when it starts."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..engine.keepers import (
    IFUPDOWN,
    NETWORK_MANAGER,
    NETWORKD,
    PREFIX,
    UNIT_ENDING,
    UNIT_PREFIX,
)
from . import units
from .network_manager import read_network_manager
from .port_vlans import range_of
from .writing import write_whole

FOLDER = Path("/etc/systemd/network")
ENDINGS = (".netdev", ".network")
_SERVICES = {NETWORKD: "systemd-networkd.service", NETWORK_MANAGER: "NetworkManager.service"}
_PROGRAMS = ("/usr/lib/systemd/systemd-networkd", "/lib/systemd/systemd-networkd")
_INTERFACES = Path("/etc/network")

_MACHINE_ID = Path("/etc/machine-id")
Told = list[dict[str, Any]]
TUNNEL, VXLAN = "tunnel", "vxlan"
EVERYBODY = "00:00:00:00:00:00"  # where a tunnel sends what it knows no other way for


def read_linux_bridges() -> dict[str, Any]:
    """Who keeps the host's network (`keeper`), whether networkd is on it (`has_networkd`), the
    `links` that are bridges, bonds, tunnels or on one, the `vlans` of each, our `files`, and which
    of the hosts it is (`host`), and what NetworkManager tells (`network_manager`)."""
    listed = told("ip", "-j", "-d", "link", "show")
    links, own = links_in(listed), {one.get("ifname"): one.get("address", "") for one in listed}
    for name in (name for name, one in links.items() if TUNNEL in one):
        rows = told("bridge", "-j", "fdb", "show", "dev", name)
        links[name][TUNNEL].update(peers=peers_in(rows), fixed=fixed_in(rows, own[name]))
    return {
        "keeper": _keeper(),
        "has_networkd": any(Path(one).exists() for one in _PROGRAMS),
        "links": links,
        "vlans": vlans_in(told("bridge", "-j", "-compressvlans", "vlan", "show")),
        "files": read_files(),
        "host": _host(),
        "network_manager": read_network_manager(),
    }


def _host() -> str:
    """What no other host has; not the id itself, which is not for the network (machine-id(5))."""
    try:
        told = _MACHINE_ID.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""
    return hashlib.sha256(f"kvm.fleet:{told}".encode()).hexdigest()[:16] if told else ""


def _keeper() -> str:
    """Who keeps the network: a service that runs, or else the files that ifupdown reads."""
    states = _said("systemctl", "is-active", *_SERVICES.values()).split()
    for name, state in zip(_SERVICES, states):
        if state == "active":
            return name
    files = [_INTERFACES / "interfaces", *_INTERFACES.glob("interfaces.d/*")]
    return IFUPDOWN if any(_is_kept(path) for path in files) else ""


def _is_kept(path: Path) -> bool:
    """Whether a file of ifupdown has an interface beside the loopback."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    words = [line.split() for line in lines]
    return any(line[:1] == ["iface"] and line[1:2] != ["lo"] for line in words)


def read_files(folder: Path = FOLDER, of_systemd: Path = units.UNITS) -> dict[str, str]:
    """The files that are ours, by name, those of networkd and units of systemd."""
    of_networkd = {
        path.name: path.read_text(encoding="utf-8", errors="replace")
        for path in sorted(folder.glob(f"{PREFIX}*"))
        if path.suffix in ENDINGS and path.is_file()
    }
    return {**of_networkd, **units.read(f"{UNIT_PREFIX}*{UNIT_ENDING}", of_systemd)}


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


# ---- files


def write_files(
    will: Mapping[str, str],
    are: Mapping[str, str],
    folder: Path = FOLDER,
    of_systemd: Path = units.UNITS,
) -> None:
    """Have the files of a bridge, each written whole or not at all, and none that it has no more.

    They come in their order, and go in that of their names: the one of the bridge itself, which
    has the note, is the last.
    """
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    for name, text in will.items():
        if are.get(name) == text:
            continue
        if name.endswith(UNIT_ENDING):
            units.install(name, text, of_systemd)
        else:
            # networkd reads as a user of its own, and does not read what is half-written
            write_whole(folder / name, text.encode(), 0o644)
    gone = [name for name in are if name not in will]
    for name in sorted(gone, key=lambda name: (name.endswith(".netdev"), "+" not in name)):
        if name.endswith(UNIT_ENDING):
            units.remove(name, of_systemd)
        else:
            (folder / name).unlink()
