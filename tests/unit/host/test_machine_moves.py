"""What a machine tells of itself to a move: clock, mounts."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine.move_facts import Clock, Mount
from ansible_collections.kvm.fleet.plugins.module_utils.host import machine_moves, reaching

HERE: Any = SimpleNamespace(is_local=True, uri="qemu:///system", state_folder="")
FAR: Any = SimpleNamespace(is_local=False, uri="qemu+ssh://kvm2/system", state_folder="")
MOUNTINFO = r"""
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
40 22 0:40 / /srv/nfs\040one rw - nfs4 nas:/export/vms rw,vers=4.2
41 22 0:40 /deep /srv/bound rw - nfs4 nas:/export/vms rw
42 22 0:5 / /proc rw - proc proc rw
"""


def written(root: Path, path: str, text: str) -> Path:
    file = root / path
    file.parent.mkdir(parents=True)
    file.write_text(text, encoding="utf-8")
    return root


def test_mounts_of_servers_are_told_and_no_others(tmp_path: Path) -> None:
    root = written(tmp_path, machine_moves.MOUNTS, MOUNTINFO.lstrip())
    assert machine_moves.read_mounts(HERE, root) == [
        Mount("/srv/bound", "nfs4", "nas:/export/vms/deep"),
        Mount("/srv/nfs one", "nfs4", "nas:/export/vms"),
    ]
    assert machine_moves.read_mounts(FAR, root) is None


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("qemu+ssh://kvm2/system", ["--", "kvm2"]),
        ("qemu+ssh://root@kvm2:2222/system", ["-p", "2222", "-l", "root", "--", "kvm2"]),
        ("qemu+ssh://kvm2/system?keyfile=/k&no_verify=1", ["-i", "/k", "--", "kvm2"]),
    ],
)
def test_a_host_behind_ssh_is_asked_for_its_time(uri: str, words: list[str]) -> None:
    command = machine_moves.ssh_command(uri, "date", "+%s.%N")
    assert command[0] == "ssh" and command[-2:] == ["date", "+%s.%N"]
    assert command[-2 - len(words) : -2] == words
    assert ("StrictHostKeyChecking=no" in command) == ("no_verify" in uri)


@pytest.mark.parametrize("uri", ["qemu+tls://kvm2/system", "qemu:///system", "snapshot:/a"])
def test_others_are_not(uri: str) -> None:
    assert machine_moves.ssh_command(uri) == []


def test_the_clock_here_is_that_of_who_looks(tmp_path: Path) -> None:
    assert machine_moves.read_clock(HERE) == Clock(0.0, 0.0, socket.gethostname())
    # A program in the place of ssh, as `command` in a URI names one.
    ssh = written(tmp_path, "bin/ssh", "#!/bin/sh\necho $(($(date +%s) + 100)).0\n") / "bin/ssh"
    ssh.chmod(0o755)
    far: Any = SimpleNamespace(is_local=False, uri=f"qemu+ssh://kvm2/system?command={ssh}")
    clock = machine_moves.read_clock(far)
    assert clock is not None and 98 < clock.ahead_s < 102
    far.uri = "qemu+ssh://kvm2/system?command=/nowhere/ssh"
    assert machine_moves.read_clock(far) is None


def test_the_kernel_is_that_of_the_host(tmp_path: Path) -> None:
    assert machine_moves.read_kernel(HERE) == os.uname().release
    ssh = written(tmp_path, "bin/ssh", "#!/bin/sh\necho 6.1.0-56-amd64\n") / "bin/ssh"
    ssh.chmod(0o755)
    far: Any = SimpleNamespace(is_local=False, uri=f"qemu+ssh://kvm2/system?command={ssh}")
    assert machine_moves.read_kernel(far) == "6.1.0-56-amd64"
    ssh.write_text("#!/bin/sh\nexit 127\n")
    assert machine_moves.read_kernel(far) is None
    far.uri = "qemu+tls://kvm2/system"
    assert machine_moves.read_kernel(far) is None


def test_addresses_are_those_that_others_reach(tmp_path: Path) -> None:
    told = (
        '[{"ifname": "lo", "addr_info": [{"local": "127.0.0.1", "scope": "host"}]}, {},'
        ' {"ifname": "eno3", "addr_info": [{"local": "198.51.100.7", "scope": "global"},'
        ' {"local": "fe80::1", "scope": "link"}]}]'
    )
    ssh = written(tmp_path, "bin/ssh", f"#!/bin/sh\necho '{told}'\n") / "bin/ssh"
    ssh.chmod(0o755)
    far: Any = SimpleNamespace(is_local=False, uri=f"qemu+ssh://kvm2/system?command={ssh}")
    assert machine_moves.read_addresses(far) == {"lo": [], "eno3": ["198.51.100.7"]}
    ssh.write_text("#!/bin/sh\necho not found\nexit 127\n")
    assert machine_moves.read_addresses(far) is None
    far.uri = "qemu+tls://kvm2/system"
    assert machine_moves.read_addresses(far) is None


def test_a_refused_connection_shows_that_there_is_a_way() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        assert reaching.read_reaches(HERE, "127.0.0.1", port) == "open"
    assert reaching.read_reaches(HERE, "127.0.0.1", port) == "closed"
    assert reaching.read_reaches(FAR, "127.0.0.1", port) is None
