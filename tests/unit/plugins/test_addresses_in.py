"""The address of a host on a network."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.kvm.fleet.plugins.filter.addresses_in import addresses_in

ADDRESSES = ["192.168.1.7", "10.0.30.11", "10.0.30.12", "fd00::11"]


@pytest.mark.parametrize(
    ("network", "found"),
    [
        ("10.0.30.0/24", ["10.0.30.11", "10.0.30.12"]),
        ("192.168.0.0/16", ["192.168.1.7"]),
        ("fd00::/64", ["fd00::11"]),
        ("172.16.0.0/12", []),
    ],
)
def test_those_in_the_network_are_found(network: str, found: list[str]) -> None:
    assert addresses_in(ADDRESSES, network) == found


@pytest.mark.parametrize("network", ["10.0.30.0/33", "10.0.30.11/24", "here"])
def test_what_is_no_network_is_said(network: str) -> None:
    with pytest.raises(AnsibleFilterError, match=r"write a network as 10\.0\.30\.0/24"):
        addresses_in(ADDRESSES, network)
