"""The KVM hosts of an inventory, as they are declared."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import FleetError, FleetErrors
from ansible_collections.kvm.fleet.plugins.module_utils.inventory.hosts import (
    server_of,
    sources_of,
)

KVM1, KVM2 = "qemu+ssh://root@kvm1/system", "qemu+ssh://root@kvm2/system"


def resolve(name: str) -> dict[str, str]:
    if name != "kvm_hosts":
        raise FleetError(f"{name} is nobody", field="hosts")
    return {"kvm1": KVM1, "kvm2": KVM2}


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (KVM1, [("kvm1", KVM1)]),
        ([KVM1, "qemu:///system", KVM1], [("kvm1", KVM1), ("localhost", "qemu:///system")]),
        ("kvm_hosts", [("kvm1", KVM1), ("kvm2", KVM2)]),
        (["kvm_hosts", KVM1], [("kvm1", KVM1), ("kvm2", KVM2)]),
        ({"a": KVM1, "b": {"uri": KVM2}}, [("a", KVM1), ("b", KVM2)]),
        # The mapping of a migration serves as well.
        ({"a": {"uri": KVM1, "migration_uri": "tcp://10.0.0.1"}}, [("a", KVM1)]),
    ],
)
def test_hosts_are_given_by_uri_by_name_and_by_mapping(
    given: Any, found: list[tuple[str, str]]
) -> None:
    assert [tuple(source) for source in sources_of(given, resolve)] == found


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("qemu+ssh://root@kvm1.example.org:2222/system?keyfile=/k", "kvm1.example.org"),
        ("qemu+tcp://[2001:db8::1]:16509/system", "2001:db8::1"),
        ("qemu+tls://kvm1", "kvm1"),
        ("qemu:///session", "localhost"),
        ("qemu+unix:///system?socket=/run/a@b/c", "localhost"),
    ],
)
def test_a_host_is_called_as_the_server_in_its_uri(uri: str, name: str) -> None:
    assert server_of(uri) == name


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "hosts: names no host"),
        ({}, "hosts: names no host"),
        (None, "None is nobody"),
        (["qemu:///system", "qemu:///session"], "would both be called localhost"),
        ({"a": "kvm1"}, "hosts.a: 'kvm1' is no URI of libvirt"),
        ({"a": None}, "hosts.a: has no uri"),
        ({"a": {"url": KVM1}}, "there is no option url"),
        ([{"uri": KVM1}], "write a mapping"),
    ],
)
def test_what_is_no_host_is_told(given: Any, said: str) -> None:
    with pytest.raises(FleetErrors, match=said):
        sources_of(given, resolve)


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(FleetErrors) as raised:
        sources_of(["one", "other", KVM1], resolve)
    assert len(raised.value.errors) == 2
