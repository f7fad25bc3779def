"""What becomes of the options of a VM and the defaults of its host, as plain values."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import FleetErrors
from ansible_collections.kvm.fleet.plugins.module_utils.run import host_config
from ansible_collections.kvm.fleet.plugins.module_utils.run.vm_defaults import inherited, merged

CASES: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "a VM that says nothing has it all": (
        {"state": "running", "memory": {"size": "1GiB"}},
        {"name": "web"},
        {"name": "web", "state": "running", "memory": {"size": "1GiB"}},
    ),
    "what a VM says itself counts, false too": (
        {"autostart": True, "title": "A VM"},
        {"autostart": False, "title": ""},
        {"autostart": False, "title": ""},
    ),
    "an option that is null says nothing": (
        {"autostart": True, "memory": {"size": "1GiB"}},
        {"autostart": None, "memory": {"size": None, "maximum": "2GiB"}, "title": None},
        {"autostart": True, "memory": {"size": "1GiB", "maximum": "2GiB"}, "title": None},
    ),
    "dictionaries are merged": (
        {"memory": {"size": "1GiB"}, "tags": {"stage": "test"}},
        {"memory": {"maximum": "2GiB"}, "tags": {"owner": "shop"}},
        {
            "memory": {"size": "1GiB", "maximum": "2GiB"},
            "tags": {"stage": "test", "owner": "shop"},
        },
    ),
    "disks and NICs are merged by name, the defaults' first": (
        {
            "disks": [{"name": "root", "pool": "images", "limits": {"total_iops": 9}}],
            "nics": [{"name": "lan", "vswitch": "lan", "mtu": 9000}],
        },
        {
            "disks": [
                {"name": "data", "pool": "big"},
                {"name": "root", "limits": {"read_iops": 5}, "capacity": "9GiB"},
            ],
            "nics": [{"name": "lan", "mtu": 1400}],
        },
        {
            "disks": [
                {
                    "name": "root",
                    "pool": "images",
                    "limits": {"total_iops": 9, "read_iops": 5},
                    "capacity": "9GiB",
                },
                {"name": "data", "pool": "big"},
            ],
            "nics": [{"name": "lan", "vswitch": "lan", "mtu": 1400}],
        },
    ),
    "an empty list of its own is no word about the defaults' things": (
        {"disks": [{"name": "root"}]},
        {"disks": []},
        {"disks": [{"name": "root"}]},
    ),
    "a thing that is absent has nothing from the defaults": (
        {"disks": [{"name": "root", "pool": "images", "capacity": "1GiB"}]},
        {"disks": [{"name": "root", "state": "absent"}]},
        {"disks": [{"name": "root", "state": "absent"}]},
    ),
    "other lists are replaced": (
        {"cdroms": [{"name": "a"}], "channels": [{"name": "b"}], "cpu": {"features": [1]}},
        {"cdroms": [], "cpu": {"features": [2]}},
        {"cdroms": [], "channels": [{"name": "b"}], "cpu": {"features": [2]}},
    ),
    "a disk on a file is not in the defaults' pool": (
        {"disks": [{"name": "root", "pool": "i", "backing": {"volume": "b"}, "bus": "scsi"}]},
        {"disks": [{"name": "root", "file": "/srv/web.img"}]},
        {"disks": [{"name": "root", "bus": "scsi", "file": "/srv/web.img"}]},
    ),
    "a disk of another image does not stand on the defaults'": (
        {"disks": [{"name": "root", "pool": "i", "backing": {"volume": "b"}}]},
        {"disks": [{"name": "root", "image": "/srv/i.img"}]},
        {"disks": [{"name": "root", "pool": "i", "image": "/srv/i.img"}]},
    ),
    "a NIC on a bridge is not on the defaults' vswitch": (
        {"nics": [{"name": "lan", "vswitch": "lan", "port_group": "slow", "model": "igb"}]},
        {"nics": [{"name": "lan", "bridge": "br0"}]},
        {"nics": [{"name": "lan", "model": "igb", "bridge": "br0"}]},
    ),
    "a CPU model is not of the defaults' mode": (
        {"cpu": {"mode": "host-model", "count": 2}},
        {"cpu": {"model": "EPYC"}},
        {"cpu": {"count": 2, "model": "EPYC"}},
    ),
    "a CPU mode has no model of the defaults, unless it is custom": (
        {"cpu": {"model": "EPYC"}},
        {"cpu": {"mode": "maximum"}},
        {"cpu": {"mode": "maximum"}},
    ),
    "a VM that goes takes only how it is shut down": (
        {"state": "running", "title": "A VM", "shutdown": {"timeout_s": 5}},
        {"name": "web", "state": "absent"},
        {"name": "web", "state": "absent", "shutdown": {"timeout_s": 5}},
    ),
    "what is no list of things is left to be refused": (
        {"disks": [{"name": "root"}]},
        {"disks": "root"},
        {"disks": "root"},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_merging(case: str) -> None:
    defaults, vm, expected = CASES[case]
    before = copy.deepcopy((defaults, vm))
    assert merged(defaults, vm) == expected
    assert (defaults, vm) == before


def declared(defaults: dict[str, Any], *vms: dict[str, Any]) -> list[str]:
    """What is wrong with these VMs."""
    params = {**dict.fromkeys(host_config.SECTIONS), "vms": list(vms), "vm_defaults": defaults}
    try:
        host_config.parse({**params, "prune": False, "prune_limit": 5})
    except FleetErrors as errors:
        return [str(error) for error in errors.errors]
    return []


TWO = ({"name": "web"}, {"name": "db"})


@pytest.mark.parametrize(
    ("defaults", "said"),
    [
        ({"colour": "red"}, "vm_defaults: there is no option colour"),
        ({"disks": [{"bus": "scsi"}]}, "vm_defaults: missing required arguments: name"),
        ({"disks": [{"name": "a", "capcity": "1GiB"}]}, "vm_defaults: there is no option disks.c"),
        ({"cpu": "many"}, "vm_defaults: "),
        ({"name": "web"}, "vm_defaults.name: every VM has its own"),
        ({"state": "absent"}, "vm_defaults.state: would remove every VM"),
        ({"remove_storage": True}, "vm_defaults.remove_storage: data goes only where"),
        ({"memory": {"size": "much"}}, "vm_defaults.memory.size: "),
        ({"nics": [{"name": "a", "mac": "x"}]}, "vm_defaults.nics.a.mac: 'x' is not a MAC"),
        ({"disks": [{"name": "a", "capacity": "1GiB"}]}, "vm_defaults.disks.a: capacity needs a"),
    ],
)
def test_a_mistake_in_the_defaults_is_told_once(defaults: dict[str, Any], said: str) -> None:
    mistakes = declared(defaults, *TWO)
    assert mistakes[0].startswith(said)
    assert len(set(mistakes)) == len(mistakes)
    assert all(mistake.startswith("vm_defaults") for mistake in mistakes), mistakes


def test_what_is_wrong_only_without_a_vm_is_no_mistake() -> None:
    defaults = {"disks": [{"name": "root", "capacity": "1GiB"}]}
    vms = [{**vm, "disks": [{"name": "root", "pool": vm["name"]}]} for vm in TWO]
    assert declared(defaults, *vms) == []


def test_a_mistake_of_one_vm_is_its_own() -> None:
    [mistake] = declared({"memory": {"size": "1GiB"}}, TWO[0], {"name": "db", "clock": "cest"})
    assert mistake.startswith("vm/db: ")
    [mistake] = declared({"nics": [{"name": "a", "mac": "x"}]}, TWO[0], {"name": "db/"})[1:]
    assert mistake.startswith("vm/db/ name: ")


def test_what_would_be_wrong_without_the_defaults_is_not_told_beside_their_mistake() -> None:
    vm = {"name": "web", "disks": [{"name": "root", "capacity": "1GiB"}]}
    other = {"name": "db", "colour": "red"}
    told = declared({"clock": "cest", "disks": [{"name": "root", "pool": "images"}]}, vm, other)
    assert [mistake.split(":")[0] for mistake in told] == ["vm_defaults", "vm/db"]


def test_what_a_vm_has_from_the_defaults_is_told_of_them() -> None:
    defaults = {
        "title": None,
        "memory": {"size": "1GiB", "maximum": "2GiB"},
        "nics": [{"name": "lan", "vswitch": "lan", "mtu": 9000}, {"name": "dmz", "mtu": 1400}],
    }
    vm = {"memory": {"size": "3GiB"}, "nics": [{"name": "lan", "vswitch": "other"}]}
    names = {"memory.maximum", "nics.lan.mtu", "nics.dmz", "nics.dmz.name", "nics.dmz.mtu"}
    assert inherited(defaults, vm) == {name: f"vm_defaults.{name}" for name in names}
