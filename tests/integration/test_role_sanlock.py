"""Leases of sanlock: the role makes the lockspace, and two hosts never run a VM at once.

Two are on this machine, each with a libvirtd and a sanlock of its own; the device is a file that
both see. sanlock runs as in its own tests, without the rights to lock all memory.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from support.ansible_runs import PlaybookRun, run_module
from support.private_libvirtd import IMAGES, PrivateLibvirtd, which, why_not_here
from support.role_runs import OnHosts, bare_place, changed_by_host

WHY_NOT = why_not_here() or ("" if which("sanlock") else "not installed: sanlock")
pytestmark = [
    pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT or "runs"),
    pytest.mark.long(
        touched_by=r"roles/kvm_host/(tasks|vars|files)/(migration|lockspace)|kinds/vm/lease",
        together=True,
    ),
]

IDS = {"kvm1": 1, "kvm2": 2}
ENVIRONMENT = {"SANLOCK_PRIVILEGED": "0", "SANLOCK_RUN_DIR": "/run/libvirt/sanlock"}
DISK = str(IMAGES / "leased.img")
AT_ONCE = {"shutdown": {"timeout_s": 0, "on_timeout": "power_off"}}
MIB = 1024 * 1024
Places = dict[str, PrivateLibvirtd]


@pytest.fixture(scope="module")
def places() -> Iterator[Places]:
    with ExitStack() as stack:
        found = {name: stack.enter_context(bare_place(f"lease-{name}")) for name in IDS}
        for place in found.values():
            place.outside("/etc/libvirt/qemu-sanlock.conf").write_text("#host_id = 1\n")
            place.run(["mkdir", ENVIRONMENT["SANLOCK_RUN_DIR"]])
            place.outside(DISK).write_bytes(bytes(MIB))
            # sanlock has no option for where its log is.
            place.run(["sh", "-c", "mount -t tmpfs none /var/log; mkdir -p /var/log/libvirt/qemu"])
        yield found


class Role:
    """Runs what the role does about leases, on both hosts."""

    def __init__(self, places: Places, folder: Path) -> None:
        self.hosts = OnHosts(places, folder, "migration", **ENVIRONMENT)
        self.device = folder / "lun:1"
        with self.device.open("wb") as device:
            device.truncate(8 * MIB)
        try:
            os.close(os.open(self.device, os.O_RDONLY | os.O_DIRECT))
        except OSError:  # as on a tmpfs of older kernels
            pytest.skip("sanlock reads past the host's cache, which no file here can be")

    def run(self, *options: str, **of_hosts: dict[str, Any]) -> PlaybookRun:
        sanlock = {"device": str(self.device), "slots": 2, "io_timeout": 1}
        variables = {
            name: {**sanlock, "host_id": number, **of_hosts.get(name, {})}
            for name, number in IDS.items()
        }
        return self.hosts.run(
            {name: {"kvm_host_migration": {"sanlock": said}} for name, said in variables.items()},
            *options,
        )


@pytest.fixture(scope="module")
def role(places: Places, tmp_path_factory: pytest.TempPathFactory) -> Role:
    folder = tmp_path_factory.mktemp("role")
    folder.chmod(0o755)
    return Role(places, folder)


@pytest.fixture(scope="module")
def planned(role: Role) -> PlaybookRun:
    run = role.run("--check")
    assert run.returncode == 0, run.output
    assert role.device.read_bytes() == bytes(8 * MIB)
    return run


@pytest.fixture(scope="module")
def done(role: Role, planned: PlaybookRun) -> PlaybookRun:
    run = role.run()
    assert run.returncode == 0, run.output
    return run


def status(place: PrivateLibvirtd, kind: str) -> list[str]:
    """What this host's sanlock tells of its lockspaces (s), processes (p) or leases (r)."""
    said = [f"{name}={value}" for name, value in ENVIRONMENT.items()]
    told = place.run(["env", *said, "sanlock", "client", "status"])
    return [line[2:] for line in told.splitlines() if line.startswith(f"{kind} ")]


def test_the_lockspace_is_made_once_and_each_host_is_in_it(
    places: Places, role: Role, planned: PlaybookRun, done: PlaybookRun
) -> None:
    made, started = "Make the lockspace and its leases", {"Start sanlock", "Join the lockspace"}
    for run in (planned, done):
        changed = changed_by_host(run)
        assert [made in changed[name] for name in IDS] == [True, False]
        assert all(started <= set(changed[name]) for name in IDS)
    for name, number in IDS.items():
        path = str(role.device).replace(":", "\\:")
        assert status(places[name], "s") == [f"kvm-fleet:{number}:{path}:0"]
    assert changed_by_host(role.run()) == {}


def declared(place: PrivateLibvirtd, options: dict[str, Any]) -> dict[str, Any]:
    return run_module("vm", options, on=place)


def test_a_vm_runs_on_one_host(places: Places, role: Role, done: PlaybookRun) -> None:
    device = str(role.device)
    vm = {
        "name": "leased",
        "memory": {"size": "32MiB"},
        "disks": [{"name": "root", "file": DISK, "format": "raw"}],
        "leases": [{"name": "slot1", "path": device, "offset": "1MiB"}],
    }
    first, second = places.values()
    for place in places.values():
        assert declared(place, vm).get("msg") is None
    assert declared(first, {"name": "leased", "state": "running"}).get("msg") is None
    [held] = status(first, "r")
    assert held.startswith("kvm-fleet:slot1:")
    refused = declared(second, {"name": "leased", "state": "running"})
    assert "Lease is held by another host" in refused["msg"]
    assert second.virsh("domstate", "leased") == "shut off"
    assert declared(first, {"name": "leased", "state": "stopped", **AT_ONCE})["changed"]
    assert status(first, "r") == []
    assert declared(second, {"name": "leased", "state": "running"})["changed"]
    assert [one.split(":")[1] for one in status(second, "r")] == ["slot1"]

    # One that it has is taken and given back while it runs.
    more = [{"name": "slot2", "path": device, "offset": "2MiB"}]
    plan = declared(second, {"name": "leased", "leases": more})["plan"]
    assert [row["class"] for row in plan] == ["hotplug"]
    assert sorted(one.split(":")[1] for one in status(second, "r")) == ["slot1", "slot2"]
    declared(second, {"name": "leased", "leases": [{"name": "slot2", "state": "absent"}]})
    assert [one.split(":")[1] for one in status(second, "r")] == ["slot1"]

    # Nobody can say which is meant by a lease that two have.
    another = {**vm, "name": "another", "disks": []}
    assert "is that of leased too" in declared(second, another)["msg"]
    assert declared(second, {"name": "leased", "state": "absent", **AT_ONCE})["changed"]
    none = declared(second, {**vm, "name": "unleased", "leases": [], "state": "running"})
    assert "no leases specified" in none["msg"]


def test_mistakes_are_told_before_anything_changes(role: Role, done: PlaybookRun) -> None:
    of_others = role.device.with_name("of-others")
    of_others.write_bytes(b"precious" + bytes(8 * MIB))
    run = role.run(kvm1={"host_id": 2, "slots": 8}, kvm2={"device": str(of_others)})
    assert run.returncode != 0
    told = " ".join(run.output.split())
    for said in (
        "sanlock.host_id: 2 is that of kvm2 too",
        "this host is in the lockspace as kvm-fleet:1:",
        "has no place for the lockspace and 8 leases",
        "of-others holds something else than this lockspace",
    ):
        assert said in told
    assert changed_by_host(run) == {}
    assert of_others.read_bytes() == b"precious" + bytes(8 * MIB)
