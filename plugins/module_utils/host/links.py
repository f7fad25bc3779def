# SPDX-License-Identifier: GPL-3.0-or-later
"""The network interfaces of this machine with their addresses and limits, as `ip` tells them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Mapping
from typing import Any

PAIR = "veth"  # whose link is its other end

Told = list[dict[str, Any]]


def read_links() -> dict[str, dict[str, Any]]:
    """All interfaces; none where `ip` is not there."""
    addresses = _told("-d", "address", "show")
    routes = [_told(family, "route", "show", "default") for family in ("-4", "-6")]
    return links_in(addresses, [route for found in routes for route in found])


def links_in(addresses: Told, routes: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The interfaces in what `ip` tells of addresses and of default routes: what each is on
    (`master`), its `kind` where it is no hardware, the one that it stands on (`below`: of a VLAN,
    say) and its `vlan`, its `addresses`, its `mtu` and the highest that it can have (`max_mtu`; 0
    where it does not say), whether it leads elsewhere by default (`default`) and by whom
    (`gateways`), and whether it is set up (`up`)."""
    hops = [hop for route in routes for hop in (route, *route.get("nexthops", ())) if "dev" in hop]
    default = {str(hop["dev"]) for hop in hops}
    via = {(str(hop["dev"]), str(hop["gateway"])) for hop in hops if "gateway" in hop}
    return {
        one["ifname"]: {
            "master": one.get("master", ""),
            "kind": _kind(one),
            "below": "" if _kind(one) == PAIR else one.get("link", ""),
            "addresses": _addresses(one),
            "up": "UP" in one.get("flags", ()),
            "mtu": one.get("mtu", 0),
            "max_mtu": one.get("max_mtu", 0),
            "default": one["ifname"] in default,
            "gateways": sorted(gateway for dev, gateway in via if dev == one["ifname"]),
            "vlan": _vlan(one),
        }
        for one in addresses
        if "ifname" in one
    }


def _kind(link: Mapping[str, Any]) -> str:
    if link.get("link_type") == "loopback":
        return "loopback"
    return str(link.get("linkinfo", {}).get("info_kind", ""))


def _vlan(link: Mapping[str, Any]) -> int:
    """The VLAN of another interface that it is; 0 for what is none."""
    said = link.get("linkinfo", {}).get("info_data", {})
    return int(said.get("id", 0)) if _kind(link) == "vlan" else 0


def _addresses(link: Mapping[str, Any]) -> list[str]:
    """Those by which others reach the machine: none that is of its link alone."""
    told = (one for one in link.get("addr_info", ()) if one.get("scope") == "global")
    return [f"{one['local']}/{one['prefixlen']}" for one in told]


def _told(*asked: str) -> Told:
    try:
        done = subprocess.run(["ip", "-j", *asked], capture_output=True, text=True, check=False)
    except OSError:
        return []
    told: Told = json.loads(done.stdout) if done.returncode == 0 and done.stdout.strip() else []
    return told
