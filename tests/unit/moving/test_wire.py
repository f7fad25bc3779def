"""Over what the data of a migration goes."""

from __future__ import annotations

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine.facts import Facts
from ansible_collections.kvm.fleet.plugins.module_utils.engine.recorded import Recorded
from ansible_collections.kvm.fleet.plugins.module_utils.engine.world import World
from ansible_collections.kvm.fleet.plugins.module_utils.moving.move import Move
from ansible_collections.kvm.fleet.plugins.module_utils.moving.options import Options
from ansible_collections.kvm.fleet.plugins.module_utils.moving.side import Side
from ansible_collections.kvm.fleet.plugins.module_utils.moving.wire import (
    data_uri,
    host_of,
    tls_name,
)

SSH = "qemu+ssh://root@kvm2/system"


ADDRESSES = {"eno3": ["2001:db8::7", "198.51.100.7"], "eno4": ["2001:db8::8"], "eno5": []}


def move(uri: str = SSH, there: str = SSH, network: str = "", transport: str = "ssh") -> Move:
    world = World(Facts(Recorded({("addresses",): ADDRESSES})), {})
    source = Side("kvm1", "qemu:///system", "qemu:///system", world)
    options = Options(network=network, transport=transport)
    return Move("web", source, Side("kvm2", uri, there, world), options)


@pytest.mark.parametrize(
    ("network", "uri"),
    [
        ("198.51.100.2", "tcp://198.51.100.2"),
        ("2001:db8::2", "tcp://[2001:db8::2]"),
        ("[2001:db8::2]", "tcp://[2001:db8::2]"),
        ("kvm2.migration.example", "tcp://kvm2.migration.example"),
        ("eno3", "tcp://198.51.100.7"),
        ("eno4", "tcp://[2001:db8::8]"),
        ("eno5", "tcp://eno5"),
    ],
)
def test_the_network_is_the_address(network: str, uri: str) -> None:
    assert data_uri(move(network=network)) == uri


def test_libvirt_is_asked_where_nothing_is_said() -> None:
    assert data_uri(move()) == ""
    assert data_uri(move(uri="qemu:///system", there="qemu:///system")) == ""


def test_the_host_that_others_know_it_by_is_the_address() -> None:
    assert data_uri(move(there="qemu+tls://kvm2.example:16514/system")) == "tcp://kvm2.example"


@pytest.mark.parametrize(
    ("uri", "host"),
    [
        (SSH, "kvm2"),
        ("qemu+tcp://192.0.2.2:16509/system", "192.0.2.2"),
        ("qemu+tcp://[2001:db8::2]:16509/system?x=1", "[2001:db8::2]"),
        ("qemu:///system", ""),
        ("qemu+unix:///system?socket=/run/x", ""),
    ],
)
def test_the_host_of_a_uri(uri: str, host: str) -> None:
    assert host_of(uri) == host


def test_a_certificate_is_checked_by_the_name_of_the_host() -> None:
    assert tls_name(move(network="198.51.100.2", transport="tls")) == "kvm2"
    assert tls_name(move(network="198.51.100.2")) == ""
    assert tls_name(move(transport="tls")) == "", "the data goes to that name"
