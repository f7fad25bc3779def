"""The lab's declaration: what it becomes, and that every mistake in it is told at once."""

from __future__ import annotations

import pytest

from ansible_collections.kvm.fleet.roles.lab.files.fleetlab import declaration
from ansible_collections.kvm.fleet.roles.lab.files.fleetlab.errors import LabError

TWO_HOSTS = {
    "name": "pair",
    "hosts": [
        {"name": "kvm1", "nics": [{"name": "mgmt0", "network": "mgmt"}]},
        {
            "name": "kvm2",
            "release": "trixie",
            "memory": "2GiB",
            "disks": [{"name": "spare", "size": "512MiB"}],
            "nics": [{"name": "mgmt0", "network": "mgmt", "address": "10.0.0.99/24"}],
        },
    ],
    "networks": [{"name": "mgmt", "subnet": "10.0.0.0/24"}],
    "uplinks": [["kvm1:up0", "kvm2:up0"]],
}


def test_a_lab_of_two():
    lab = declaration.parse(TWO_HOSTS)
    first, second = lab.hosts
    assert (first.image.release, second.image.release) == ("bookworm", "trixie")
    assert (first.memory_mib, second.memory_mib) == (1536, 2048)
    assert second.disks == (declaration.Disk("spare", 512),)
    assert [nic.address for nic in first.nics] == ["10.0.0.11/24", None]
    assert second.nics[0].address == "10.0.0.99/24"
    assert [len(ends) for ends in lab.networks().values()] == [2, 2]


def test_identities_differ_between_hosts_and_not_between_runs():
    first, second = declaration.parse(TWO_HOSTS).hosts
    assert first.uuid != second.uuid
    assert first.nics[0].mac != second.nics[0].mac
    assert declaration.parse(TWO_HOSTS).hosts == (first, second)


def test_the_name_is_optional():
    assert declaration.parse({"hosts": [{"name": "a"}]}, "mine").name == "mine"


WRONG = {
    "an unknown option": ({"hosts": [{"name": "a", "ram": 1}]}, "unknown option ram"),
    "no hosts": ({}, "at least one host"),
    "hosts that are no list": ({"hosts": "a"}, "expected a list"),
    "a host that is no mapping": ({"hosts": ["a"]}, "expected a mapping"),
    "a bad name": ({"hosts": [{"name": "A_b"}]}, "'A_b' is no valid name"),
    "a size without unit": ({"hosts": [{"name": "a", "memory": 512}]}, "512 is no size"),
    "an unknown release": ({"hosts": [{"name": "a", "release": "sid"}]}, "'sid' is not one of"),
    "one host twice": ({"hosts": [{"name": "a"}, {"name": "a"}]}, "two hosts are named a"),
    "an unknown component": (
        {"hosts": [{"name": "a", "components": ["universe"]}]},
        "'universe' is not one of",
    ),
    "no number of CPUs": ({"hosts": [{"name": "a", "cpus": "2"}]}, "no number of CPUs"),
    "nodes without end": ({"hosts": [{"name": "a", "numa_nodes": 9}]}, "NUMA nodes from 1 to 8"),
    "CPUs that nodes cannot share": (
        {"hosts": [{"name": "a", "numa_nodes": 2, "cpus": 3}]},
        "3 CPUs cannot be divided evenly among 2 NUMA nodes",
    ),
    "two parameters of the kernel in one": (
        {"hosts": [{"name": "a", "kernel_parameters": ["a b"]}]},
        "'a b' is no valid name",
    ),
    "a network that is not declared": (
        {"hosts": [{"name": "a", "nics": [{"name": "n", "network": "x"}]}]},
        "network x is not declared",
    ),
    "a NIC with the name of ssh's own": (
        {
            "hosts": [{"name": "a", "nics": [{"name": "lab0", "network": "x"}]}],
            "networks": [{"name": "x"}],
        },
        "two NICs are named lab0",
    ),
    "an uplink with one end": (
        {"hosts": [{"name": "a"}], "uplinks": [["a:up0"]]},
        "is no uplink",
    ),
    "an uplink to nowhere": (
        {"hosts": [{"name": "a"}], "uplinks": [["a:up0", "b:up0"]]},
        "there is no host b",
    ),
    "a subnet that is none": (
        {"hosts": [{"name": "a"}], "networks": [{"name": "x", "subnet": "10.0.0.1/24"}]},
        "host bits set",
    ),
    "one address twice": (
        {
            "hosts": [
                {"name": "a", "nics": [{"name": "n", "network": "x", "address": "10.0.0.1/24"}]},
                {"name": "b", "nics": [{"name": "n", "network": "x", "address": "10.0.0.1/16"}]},
            ],
            "networks": [{"name": "x"}],
        },
        "two NICs have the address 10.0.0.1",
    ),
    "a number for an address": (
        {
            "hosts": [{"name": "a", "nics": [{"name": "n", "network": "x", "address": 7}]}],
            "networks": [{"name": "x"}],
        },
        "7 is no address",
    ),
    "the name of a directory of the lab's own": (
        {"hosts": [{"name": "failed"}]},
        "failed is reserved",
    ),
    "a subnet without room": (
        {
            "hosts": [{"name": "a", "nics": [{"name": "n", "network": "x"}]}],
            "networks": [{"name": "x", "subnet": "10.0.0.0/29"}],
        },
        "is too small",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_mistake_is_told(case):
    raw, message = WRONG[case]
    with pytest.raises(LabError, match=message):
        declaration.parse(raw)


def test_all_mistakes_are_told_at_once():
    raw = {"hosts": [{"name": "a", "memory": "1", "cpus": 0, "release": "sid"}], "x": 1}
    with pytest.raises(LabError) as caught:
        declaration.parse(raw)
    assert len(str(caught.value).splitlines()) == 1 + 4
