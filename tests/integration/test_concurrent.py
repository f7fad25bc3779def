"""Several runs of host_config at once on one host: none corrupts what another one does."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from support.module_server import ModuleServer
from support.observer import Observer
from support.private_libvirtd import PrivateLibvirtd

Args = dict[str, Any]
RUNS = 3
VOLUMES = 12

# How a run may end that met another one: what was in the way, and what to do.
FAULTS = ("Traceback", "fault of kvm.fleet", "internal error")
IN_THE_WAY = ("run again", "already", "somebody else", "did not converge", "which failed")


@pytest.fixture(scope="module")
def servers(private_libvirtd: PrivateLibvirtd) -> Iterator[list[ModuleServer]]:
    with ExitStack() as stack:
        entry = private_libvirtd.entry()
        yield [stack.enter_context(ModuleServer(entry)) for number in range(RUNS)]


@pytest.fixture
def declared(libvirtd: PrivateLibvirtd, prefix: str, images: Path) -> Callable[[int], Args]:
    """What the run of a number declares: pool, volumes, vswitch and a VM that all have in common,
    and a VM of its own."""
    pool = f"{prefix}pool"
    volumes = [{"pool": pool, "name": f"v{i}", "capacity": "1MiB"} for i in range(VOLUMES)]
    volumes.append({"pool": pool, "name": "copy", "copy_of": {"volume": "v0"}})
    groups = [{"name": "slow", "bandwidth": {"inbound": {"average": "1MiB"}}}]
    switch = {"name": f"{prefix}net", "address": "192.0.2.1/29", "port_groups": groups}

    def vm(name: str) -> Args:
        disks = [{"name": "root", "pool": pool, "capacity": "2MiB"}]
        nics = [{"name": "lan", "vswitch": f"{prefix}net", "port_group": "slow"}]
        return {
            "name": f"{prefix}{name}",
            "virt_type": "qemu",
            "memory": {"size": "64MiB"},
            "disks": disks,
            "nics": nics,
        }

    def of_run(number: int) -> Args:
        return {
            "storage_pools": [{"name": pool, "type": "dir", "path": f"{images}/pool"}],
            "storage_volumes": volumes,
            "vswitches": [switch],
            "vms": [vm("shared"), vm(f"own{number}")],
        }

    return of_run


def _at_once(servers: list[ModuleServer], args: list[Args]) -> list[dict[str, Any]]:
    with ThreadPoolExecutor(len(servers)) as threads:
        runs = [
            threads.submit(server.run, "host_config", one) for server, one in zip(servers, args)
        ]
        return [run.result() for run in runs]


def _ended_well_or_said_why(done: dict[str, Any]) -> None:
    assert "Traceback" not in str(done)
    for error in done.get("errors", []):
        assert any(words in error for words in IN_THE_WAY), error


def _settles(server: ModuleServer, args: Args) -> None:
    done = server.run("host_config", args)
    assert not done.get("failed"), done["msg"]
    again = server.run("host_config", args)
    assert (again["changed"], again["plan"]) == (False, []), again


def test_the_same_things_are_made_at_once(
    servers: list[ModuleServer],
    declared: Callable[[int], Args],
    libvirtd: PrivateLibvirtd,
    prefix: str,
    images: Path,
    observer: Observer,
) -> None:
    done = _at_once(servers, [declared(number) for number in range(RUNS)])
    for one in done:
        _ended_well_or_said_why(one)
    for number in range(RUNS):
        _settles(servers[0], declared(number))
    seen = observer.dump()
    names = {path.name for path in libvirtd.outside(images / "pool").iterdir()}
    vms = [f"{prefix}{name}" for name in ("shared", *(f"own{n}" for n in range(RUNS)))]
    made = {*(f"v{i}" for i in range(VOLUMES)), "copy", *(f"{vm}-root.qcow2" for vm in vms)}
    assert names == made
    for vm in vms:
        tree = ET.fromstring(seen[f"vm/{vm} stored"])
        assert len(tree.findall("devices/disk")) == len(tree.findall("devices/interface")) == 1
    network = ET.fromstring(seen[f"vswitch/{prefix}net live"])
    assert [group.get("name") for group in network.findall("portgroup")] == ["slow"]


def test_one_vm_is_edited_at_once(
    servers: list[ModuleServer], declared: Callable[[int], Args], prefix: str, observer: Observer
) -> None:
    """Each edit is there afterwards, or its run said that somebody else was at it."""
    _settles(servers[0], declared(0))
    edits: list[Args] = [
        {"title": "edited"},
        {"description": "edited"},
        {"tags": {"edited": "yes"}},
    ]
    declarations = [{"vms": [{"name": f"{prefix}shared", **edit}]} for edit in edits]
    for _round in range(4):
        done = _at_once(servers, declarations)
        for one in done:
            _ended_well_or_said_why(one)
        for args in declarations:
            _settles(servers[0], args)
        text = observer.dump()[f"vm/{prefix}shared stored"]
        assert text.count("edited") == 3
        plain = {"title": "", "description": "", "tags": {}}
        _settles(servers[0], {"vms": [{"name": f"{prefix}shared", **plain}]})


def test_one_goes_while_another_needs_it(
    servers: list[ModuleServer], declared: Callable[[int], Args], prefix: str
) -> None:
    """Whoever comes first: what is left is what one of them declared, or an error says why not."""
    _settles(servers[0], declared(0))
    gone = {"vms": [{"name": f"{prefix}shared", "state": "absent", "remove_storage": True}]}
    done = _at_once(servers, [gone, declared(1), declared(0)])
    for one in done:  # what it says depends on who came first
        assert not any(fault in str(one) for fault in FAULTS), one
    _settles(servers[0], declared(1))
    _settles(servers[0], gone)
