# SPDX-License-Identifier: GPL-3.0-or-later
"""What moves by itself on bridges of Linux on this machine: links, active uplinks, addresses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .linux_bridges import Told, told

NOBODY = "00:00:00:00:00:00"  # where no partner speaks LACP
LEARNED = "learned"  # the kernel leaves out the word for what it is: neither permanent nor static


def read_state() -> dict[str, Any]:
    """The interfaces, each with whether it has a link, and whether it carries traffic."""
    return state_in(told("ip", "-j", "-d", "link", "show"))


def state_in(links: Told) -> dict[str, Any]:
    """The interfaces in what `ip` lists. What waits in a bond carries nothing."""
    bonds = {one["ifname"]: _info(one) for one in links if _kind(one) == "bond"}
    return {one["ifname"]: _state(one, bonds) for one in links if "ifname" in one}


def _kind(link: Mapping[str, Any]) -> str:
    return str(link.get("linkinfo", {}).get("info_kind", ""))


def _info(link: Mapping[str, Any]) -> Mapping[str, Any]:
    info: Mapping[str, Any] = link.get("linkinfo", {}).get("info_data", {})
    return info


def _state(link: Mapping[str, Any], bonds: Mapping[str, Any]) -> dict[str, Any]:
    has_link = "LOWER_UP" in link.get("flags", ())
    bond = bonds.get(str(link.get("master")))
    member = link.get("linkinfo", {}).get("info_slave_data", {})
    said = {"link": "up" if has_link else "down", "active": has_link}
    if bond is None:
        return said
    active = has_link and member.get("state") == "ACTIVE"
    if bond.get("mode") != "802.3ad":
        return {**said, "active": active}
    # Those that are in the group on which both ends agree.
    agreed = bond.get("ad_info", {})
    active = active and member.get("ad_aggregator_id") == agreed.get("aggregator")
    partner = agreed.get("partner_mac", NOBODY) if active else NOBODY
    return {**said, "active": active, "partner": "" if partner == NOBODY else partner}


def read_addresses(bridge: str, _interfaces: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The addresses that a bridge has learned, each with its port."""
    return addresses_in(told("bridge", "-j", "-s", "fdb", "show", "br", bridge), bridge)


def addresses_in(entries: Told, bridge: str) -> list[dict[str, Any]]:
    """Those of others: neither the ports' own nor groups of receivers. Behind a tunnel each has the
    `peer` that it is behind."""
    peers = {(one["mac"], one["ifname"]): one["dst"] for one in entries if "dst" in one}
    return [
        {
            "mac": one["mac"],
            "vlan": one.get("vlan", 0),
            "port": one.get("ifname", ""),
            "age_s": one.get("updated", 0),
            **_peer(peers.get((one["mac"], one.get("ifname", "")))),
        }
        for one in entries
        if one.get("state", "") in ("", LEARNED)
        and one.get("master", bridge) == bridge
        and "self" not in one.get("flags", ())
    ]


def _peer(address: str | None) -> dict[str, str]:
    return {} if address is None else {"peer": address}
