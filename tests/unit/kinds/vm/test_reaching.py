"""By which of its addresses a VM is reached."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.reaching import (
    address_of,
    mistaken,
)

SOURCES = ("lease", "agent", "declared")


def entry(address: str, *sources: str, nic: str = "lan", **on: str) -> dict[str, Any]:
    return {"nic": nic, "address": address, "sources": list(sources), **on}


ADDRESSES = [
    entry("fe80::1", "agent", vswitch="lan"),
    entry("2001:db8::1", "agent", vswitch="lan"),
    entry("192.0.2.10", "agent", vswitch="lan"),
    entry("192.0.2.20", "lease", vswitch="lan"),
    entry("198.51.100.5", "declared", nic="dmz", bridge="br0"),
    entry("127.0.0.1", "agent", nic="odd"),
]


@pytest.mark.parametrize(
    ("networks", "sources", "families", "address"),
    [
        ([], SOURCES, ("ipv4", "ipv6"), "192.0.2.20"),
        ([], ("agent", "lease"), ("ipv4", "ipv6"), "192.0.2.10"),
        (["lan"], SOURCES, ("ipv6", "ipv4"), "2001:db8::1"),
        (["br0"], SOURCES, ("ipv4", "ipv6"), "198.51.100.5"),
        (["dmz"], SOURCES, ("ipv4", "ipv6"), "198.51.100.5"),
        (["198.51.100.0/24"], SOURCES, ("ipv4", "ipv6"), "198.51.100.5"),
        (["2001:db8::/32"], SOURCES, ("ipv4", "ipv6"), "2001:db8::1"),
        (["nowhere", "br0", "lan"], SOURCES, ("ipv4", "ipv6"), "198.51.100.5"),
        (["br0"], SOURCES, ("ipv6",), None),
        (["nowhere"], SOURCES, ("ipv4", "ipv6"), None),
        (["odd"], SOURCES, ("ipv4", "ipv6"), None),
        ([], ("arp",), ("ipv4", "ipv6"), None),
    ],
)
def test_the_network_then_the_family_then_the_source_counts(
    networks: list[str], sources: tuple[str, ...], families: tuple[str, ...], address: str | None
) -> None:
    assert address_of(ADDRESSES, networks, sources, families) == address


def test_a_network_that_is_none_is_told() -> None:
    assert list(mistaken(["lan", "192.0.2.0/24", "2001:db8::/32"])) == []
    assert len(list(mistaken(["192.0.2/x", "192.0.2.0/33"]))) == 2
