# SPDX-License-Identifier: GPL-3.0-or-later
"""By which of its addresses a VM is reached. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

# An address as `kvm_addresses` has it: with its NIC, and those who know it.
Entry = Mapping[str, Any]
FAMILIES = {"ipv4": 4, "ipv6": 6}


def address_of(
    addresses: Sequence[Entry],
    networks: Sequence[str],
    sources: Sequence[str],
    families: Sequence[str] = tuple(FAMILIES),
) -> str | None:
    """The address by which to reach a VM; None where it has none that fits.

    `networks` are names of vswitches, bridges or NICs, or networks such as 192.0.2.0/24, the first
    that has one counts; of several addresses there that of the first family, then of the first of
    the sources that knows any.
    """
    usable = [entry for entry in addresses if is_reachable(entry["address"])]
    for network in networks or ("",):
        there = [entry for entry in usable if not network or is_in(entry, network)]
        for family in families:
            for source in sources:
                for entry in there:
                    if source in entry["sources"] and _version(entry) == FAMILIES[family]:
                        return str(entry["address"])
    return None


def is_reachable(address: str) -> bool:
    """Whether others can have a way to an address: not to one of the machine or the link alone."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    return not (ip.is_link_local or ip.is_loopback or ip.is_multicast or ip.is_unspecified)


def _version(entry: Entry) -> int:
    return ipaddress.ip_address(entry["address"]).version


def is_in(entry: Entry, network: str) -> bool:
    """Whether an address is in a network, by the name of that or by its addresses."""
    if network in (entry.get("vswitch"), entry.get("bridge"), entry["nic"]):
        return True
    if "/" not in network:
        return False
    within = ipaddress.ip_network(network, strict=False)
    ip = ipaddress.ip_address(entry["address"])
    return ip.version == within.version and ip in within


def mistaken(networks: Sequence[str]) -> Iterator[str]:
    """What is wrong with names of networks; a name without a slash may be that of anything."""
    for network in networks:
        try:
            if "/" in network:
                ipaddress.ip_network(network, strict=False)
        except ValueError as error:
            yield f"{error}; write one such as 192.0.2.0/24, or the name of a vswitch"
