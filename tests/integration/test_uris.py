"""The modules against libvirt's other URIs: its driver without guests, and a user's own session."""

from __future__ import annotations

import json
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.ansible_runs import run_module, run_playbook
from support.private_libvirtd import take_capabilities, wait_until

TEST_DRIVER = "test:///default"
SESSION = "qemu:///session"
USER = "nobody"
XDG_FOLDERS = ("RUNTIME_DIR", "CONFIG_HOME", "CACHE_HOME", "DATA_HOME")


@pytest.mark.parametrize(
    ("wanted", "fields"),
    [
        ({"title": "x", "memory": {"size": "1GiB"}}, {"title", "memory.size"}),
        ({"cpu": {"count": 1}}, {"cpu.count"}),
        ({"state": "stopped"}, {"state"}),
        ({"state": "absent"}, {"state"}),
    ],
)
def test_the_test_driver_takes_changes_of_a_vm(wanted: dict[str, object], fields: set[str]) -> None:
    """Its state ends with each connection, so every run begins anew."""
    declared = {"uri": TEST_DRIVER, "name": "test", **wanted}
    predicted = run_module("vm", declared, check=True)
    done = run_module("vm", declared)
    assert {change["field"] for change in done["plan"]} == fields
    assert predicted["plan"] == done["plan"]


def test_the_test_driver_takes_a_whole_host() -> None:
    done = run_module(
        "host_config",
        {
            "uri": TEST_DRIVER,
            "storage_pools": [{"name": "fast", "type": "dir", "path": "/fast"}],
            "vswitches": [{"name": "lan", "type": "isolated"}],
            "vms": [
                {
                    "name": "web",
                    "state": "running",
                    "memory": {"size": "1GiB"},
                    "nics": [{"name": "lan", "vswitch": "lan"}],
                }
            ],
        },
    )
    assert [result["resource"] for result in done["results"] if result["changed"]] == [
        "storage_pool/fast",
        "vswitch/lan",
        "vm/web",
    ]


@pytest.fixture
def session() -> Iterator[Path]:
    """A folder for the session daemon of an ordinary user, which ends with the test."""
    folder = Path(tempfile.mkdtemp(prefix="kvmf-", dir="/tmp"))
    take_capabilities(folder / "libvirt" / "qemu" / "cache" / "capabilities")
    for path in (folder, *folder.rglob("*")):
        shutil.chown(path, USER)
    yield folder
    pid_file = folder / "libvirt" / "libvirtd.pid"
    if pid_file.exists():
        pid = int(pid_file.read_text())
        os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not Path(f"/proc/{pid}").exists(), 20, "the session's daemon to end")
    shutil.rmtree(folder)


def in_session(folder: Path, task: dict[str, Any]) -> dict[str, Any]:
    """Run a task as that user: for root, `qemu:///session` is the system's daemon."""
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "become": True,
        "become_user": USER,
        "become_method": "ansible.builtin.su",
        "become_flags": "-s /bin/sh",
        "environment": {f"XDG_{name}": str(folder) for name in XDG_FOLDERS},
        "vars": {"ansible_pipelining": True, "ansible_python_interpreter": "/usr/bin/python3"},
        "tasks": [{"name": "It", **task}],
    }
    run = run_playbook(json.dumps([play]))
    assert run.returncode == 0, run.output
    return run.result_of("It")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become the user of the session")
def test_a_session_carries_pools_and_vms(session: Path) -> None:
    declared = {
        "uri": SESSION,
        "storage_pools": [{"name": "own", "type": "dir", "path": str(session / "pool")}],
        "vms": [
            {
                "name": "mine",
                "memory": {"size": "64MiB"},
                "disks": [{"name": "root", "pool": "own", "capacity": "8MiB"}],
            }
        ],
    }
    image = session / "pool" / "mine-root.qcow2"
    assert in_session(session, {"kvm.fleet.host_config": declared})["changed"] is True
    assert image.owner() == USER
    listed = in_session(session, {"ansible.builtin.command": f"virsh -c {SESSION} domblklist mine"})
    assert str(image) in listed["stdout"]
    assert in_session(session, {"kvm.fleet.host_config": declared})["changed"] is False
    gone = {"uri": SESSION, "name": "mine", "state": "absent", "remove_storage": True}
    assert in_session(session, {"kvm.fleet.vm": gone})["changed"] is True
    assert not image.exists()
