"""Disks whose targets somebody edited under a running VM: what runs has others until a restart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support.module_server import ModuleServer
from support.observer import Observer
from support.one_vm import Host
from support.private_libvirtd import PrivateLibvirtd


@pytest.fixture
def host(libvirtd: PrivateLibvirtd, modules: ModuleServer, observer: Observer, prefix: str) -> Host:
    return Host(libvirtd, modules, observer, prefix)


PORTS = "<controller type='pci' model='pcie-root'/>" + (
    "<controller type='pci' model='pcie-root-port'/>" * 6
)
MOVES = {"away": {"vda": "vdc"}, "swapped": {"vda": "vdb", "vdb": "vda"}}


def disk(path: Path, target: str) -> str:
    return f"""<disk type="file" device="disk"><driver name="qemu" type="raw"/>
        <source file="{path}"/><target dev="{target}" bus="virtio"/></disk>"""


def runs_on(host: Host, images: Path, moves: dict[str, str]) -> list[dict[str, Any]]:
    """A VM that runs with two disks, which are stored under other targets; its disks by image."""
    paths = {"vda": images / "a.img", "vdb": images / "b.img"}
    for path in paths.values():
        file = host.libvirtd.outside(path)
        file.write_bytes(bytes(2**20))
        file.chmod(0o666)
    host.defined(devices=PORTS + "".join(disk(path, at) for at, path in paths.items()))
    host.libvirtd.virsh("start", "--paused", host.name)
    text = host.xml()
    for was in moves:
        text = text.replace(f"<target dev='{was}'", f"<target dev='@{moves[was]}'")
    host.libvirtd.run(["virsh", "define", "/dev/stdin"], stdin=text.replace("'@", "'"))
    return [
        {"name": at, "file": str(path), "format": "raw"} for at, path in zip("ab", paths.values())
    ]


@pytest.mark.parametrize("moves", MOVES)
def test_what_runs_under_another_target_waits(host: Host, images: Path, moves: str) -> None:
    first, second = runs_on(host, images, MOVES[moves])
    done = host.declare(disks=[first, second])
    assert not done["changed"] and done["pending_restart"]
    off = {"timeout_s": 1, "on_timeout": "power_off"}
    done = host.declare(disks=[first, second], apply="restart", shutdown=off)
    assert [line["class"] for line in done["plan"]] == ["restart"]
    assert not host.declare(disks=[first, second])["pending_restart"]


def test_limits_are_not_given_to_another_disk_meanwhile(host: Host, images: Path) -> None:
    first, second = runs_on(host, images, MOVES["swapped"])
    done = host.declare(disks=[{**first, "limits": {"total_iops": 100}}, second])
    assert [line["class"] for line in done["plan"]] == ["restart"]
    assert "iotune" not in host.libvirtd.virsh("dumpxml", host.name)
