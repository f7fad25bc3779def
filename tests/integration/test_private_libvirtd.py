"""The tests' own libvirtd: it does what the tests rely on, and leaves nothing behind."""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path

import pytest

from support.private_libvirtd import PrivateLibvirtd, wait_until, why_not_here

NETWORK = """
<network>
  <name>{name}</name>
  <forward mode='nat'/>
  <ip address='192.0.2.1' prefix='24'><dhcp><range start='192.0.2.2' end='192.0.2.9'/></dhcp></ip>
</network>
"""
VM_WITHOUT_SYSTEM = """
<domain type='qemu'>
  <name>{name}</name>
  <memory unit='MiB'>32</memory>
  <os><type arch='x86_64' machine='q35'>hvm</type></os>
  <devices><interface type='network'><source network='{name}'/></interface></devices>
</domain>
"""


@pytest.fixture
def running_vm(libvirtd: PrivateLibvirtd, prefix: str) -> str:
    """The name of a VM that runs on a NAT network of the same name."""
    name = f"{prefix}vm"
    create(libvirtd, "net-create", NETWORK.format(name=name))
    create(libvirtd, "define", VM_WITHOUT_SYSTEM.format(name=name))
    libvirtd.virsh("start", name)
    return name


def create(libvirtd: PrivateLibvirtd, command: str, xml: str) -> None:
    libvirtd.run(["virsh", command, "/dev/stdin"], stdin=xml)


def virsh_outside(uri: str, *arguments: str) -> str:
    argv = ["virsh", "--quiet", "--connect", uri, *arguments]
    return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=300).stdout


def pids_below(directory: Path) -> list[str]:
    """Processes that see the private folders, by their mounts."""
    return [
        process.name
        for process in Path("/proc").iterdir()
        if process.name.isdigit() and _mounts(process, directory)
    ]


def _mounts(process: Path, directory: Path) -> bool:
    try:
        return str(directory) in (process / "mountinfo").read_text()
    except OSError:  # It has ended meanwhile.
        return False


def test_a_running_vm_is_seen_from_outside(libvirtd: PrivateLibvirtd, running_vm: str) -> None:
    assert running_vm in virsh_outside(libvirtd.uri, "list", "--name").split()
    assert "<target dev='vnet" in virsh_outside(libvirtd.uri, "dumpxml", running_vm)


def test_its_networks_are_not_the_machines(libvirtd: PrivateLibvirtd, running_vm: str) -> None:
    bridge = libvirtd.virsh("net-info", running_vm).split("Bridge:")[1].strip()
    assert bridge in libvirtd.run(["ls", "/sys/class/net"]).split()
    inside = libvirtd.run(["cat", f"/sys/class/net/{bridge}/address"])
    outside = Path(f"/sys/class/net/{bridge}/address")
    assert not outside.exists() or outside.read_text() != inside


def test_vms_survive_the_death_of_libvirtd(libvirtd: PrivateLibvirtd, running_vm: str) -> None:
    libvirtd.kill()
    assert not libvirtd.answers()
    libvirtd.start_libvirtd()
    assert libvirtd.virsh("domstate", running_vm) == "running"


def test_vms_have_cgroups_also_after_a_restart(libvirtd: PrivateLibvirtd, running_vm: str) -> None:
    if not libvirtd.try_run(["ls", "/sys/fs/cgroup"]).stdout:
        pytest.skip("there are no cgroups on this machine")
    libvirtd.restart()
    wait_until(lambda: shares(libvirtd, running_vm, 2000) == 2000, 30, "libvirt to find its VM")
    assert shares(libvirtd, running_vm, 3000) == 3000


def shares(libvirtd: PrivateLibvirtd, vm: str, wanted: int) -> int:
    libvirtd.try_run(["virsh", "schedinfo", vm, "--live", "--set", f"cpu_shares={wanted}"])
    found = re.search(r"cpu_shares *: (\d+)", libvirtd.try_run(["virsh", "schedinfo", vm]).stdout)
    return int(found[1]) if found else 0


def test_two_at_once_stop_and_leave_nothing() -> None:
    if reason := why_not_here():
        pytest.skip(reason)
    both = [PrivateLibvirtd(Path(tempfile.mkdtemp(prefix="kvmf-"))) for _number in range(2)]
    for daemon in both:
        daemon.start()
        create(daemon, "net-create", NETWORK.format(name="same"))
        create(daemon, "create", VM_WITHOUT_SYSTEM.format(name="same"))
    assert [len(pids_below(daemon.directory)) > 4 for daemon in both] == [True, True]
    for daemon in both:
        daemon.stop()
    assert [pids_below(daemon.directory) for daemon in both] == [[], []]
    assert not any(daemon.directory.exists() for daemon in both)
    assert not list(Path("/sys/fs/cgroup").glob(f"**/{both[0].directory.name}"))
