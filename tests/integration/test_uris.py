"""The modules against libvirt's other URIs: its driver without guests, and a user's own session."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.ansible_runs import run_module

TEST_DRIVER = "test:///default"
SESSION = "qemu:///session"


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
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A session daemon of its own: its folders are this test's, and it ends with the test."""
    for name in ("RUNTIME_DIR", "CONFIG_HOME", "CACHE_HOME", "DATA_HOME"):
        folder = tmp_path / name
        folder.mkdir(mode=0o711)
        monkeypatch.setenv(f"XDG_{name}", str(folder))
    yield tmp_path
    pid_file = tmp_path / "RUNTIME_DIR" / "libvirt" / "libvirtd.pid"
    if pid_file.exists():
        os.kill(int(pid_file.read_text()), signal.SIGTERM)


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
    assert run_module("host_config", declared)["changed"] is True
    virsh = ["virsh", "-c", SESSION, "domblklist", "mine"]
    listed = subprocess.run(virsh, capture_output=True, text=True, check=True).stdout
    assert str(session / "pool" / "mine-root.qcow2") in listed
    assert run_module("host_config", declared)["changed"] is False
    gone = {"uri": SESSION, "name": "mine", "state": "absent", "remove_storage": True}
    assert run_module("vm", gone)["changed"] is True
    assert not list((session / "pool").iterdir())
