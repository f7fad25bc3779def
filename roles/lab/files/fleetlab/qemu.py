# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line of a lab host. Pure: values in, a list of arguments out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .declaration import SSH_NIC, Disk, Host, Lab, mac_of
from .processes import mark_of
from .qmp import SOCKET

ROOT_DISK = "root.qcow2"
INITRD = "initrd"
SERIAL_LOG = "serial.log"
QEMU_LOG = "qemu.log"

KERNEL_COMMAND_LINE = "console=ttyS0 root=/dev/vda rw quiet systemd.condition-needs-update=0"
# What makes emulated hosts cheaper. KVM's habit of polling before it lets an idle guest sleep
# doubles what guests cost here. Guarding against flaws of real CPUs takes a quarter of the time
# of a boot. Without hurry, the kernel waits for itself in every mount. And on a busy machine it
# would find the clock unreliable, and take one that QEMU emulates at every reading.
EMULATED_COMMAND_LINE = (
    f"{KERNEL_COMMAND_LINE} kvm.halt_poll_ns=0 mitigations=off rcupdate.rcu_expedited=1"
    " tsc=reliable"
)


@dataclass(frozen=True)
class Accelerator:
    """How the outer machine runs lab hosts, and why."""

    kvm: bool
    cpus: int
    reason: str

    @property
    def name(self) -> str:
        return "kvm" if self.kvm else "tcg"


# One CPU: with two, QEMU 7.2's emulation of nested guests panics the host's kernel. Without la57,
# the emulated host's own guests stall. Both measured, see docs/lab.md.
EMULATED_CPU = "max,la57=off"
# A bond of Linux has no LACP on NICs that tell no speed.
NIC_SPEED = "speed=10000,duplex=full"
# So that one of them can be given to a VM alone, and another is left in its node.
CPUS_OF_A_NODE = 2


def command(
    binary: str, lab: Lab, host: Host, kernel: Path, accelerator: Accelerator, ssh_port: int
) -> list[str]:
    """QEMU's arguments; relative paths are meant inside the host's directory."""
    own = KERNEL_COMMAND_LINE if accelerator.kvm else EMULATED_COMMAND_LINE
    command_line = " ".join([own, *host.kernel_parameters])
    return [
        binary,
        *("-name", mark_of(lab.name, host.name)),
        *machine(host, accelerator),
        *("-chardev", f"file,id=console,path={SERIAL_LOG},append=on", "-serial", "chardev:console"),
        *("-qmp", f"unix:{SOCKET},server=on,wait=off"),
        *("-kernel", str(kernel), "-initrd", INITRD, "-append", command_line),
        *_disks(host),
        *("-netdev", f"user,id={SSH_NIC},hostfwd=tcp:127.0.0.1:{ssh_port}-:22"),
        *_wires(lab, host),
        *nic_devices(host),
    ]


def machine(host: Host, accelerator: Accelerator) -> list[str]:
    if accelerator.kvm:
        accel = ["-accel", "kvm", "-cpu", "host"]
    else:
        accel = ["-accel", "tcg,thread=multi,tb-size=512", "-cpu", EMULATED_CPU]
    cpus = cpu_count(host, accelerator)
    return [
        *("-uuid", host.uuid, "-machine", "q35", *accel, "-smp", str(cpus)),
        *("-m", str(host.memory_mib), *_numa(host, cpus)),
        *("-no-user-config", "-nodefaults", "-display", "none"),
        *("-device", "virtio-rng-pci"),
    ]


def cpu_count(host: Host, accelerator: Accelerator) -> int:
    """An emulated host has several only where they are what is tested: see EMULATED_CPU."""
    if accelerator.kvm and host.cpus:
        return host.cpus
    least = host.numa_nodes * CPUS_OF_A_NODE if host.numa_nodes > 1 else 1
    if accelerator.kvm:
        return max(least, accelerator.cpus // host.numa_nodes * host.numa_nodes)
    return (host.cpus or least) if host.numa_nodes > 1 else 1


def _numa(host: Host, cpus: int) -> list[str]:
    """Nodes that divide CPUs and memory evenly; the last has what is over of the memory."""
    nodes = host.numa_nodes
    if nodes == 1:
        return []
    each, arguments = host.memory_mib // nodes, []
    for node in range(nodes):
        size = each if node < nodes - 1 else host.memory_mib - each * (nodes - 1)
        first = node * (cpus // nodes)
        cpu_range = f"{first}-{first + cpus // nodes - 1}"
        arguments += [
            *("-object", f"memory-backend-ram,id=node{node},size={size}M"),
            *("-numa", f"node,nodeid={node},cpus={cpu_range},memdev=node{node}"),
        ]
    return arguments


def nic_devices(host: Host) -> list[str]:
    nics = [(SSH_NIC, mac_of(host.name, SSH_NIC)), *((nic.name, nic.mac) for nic in host.nics)]
    arguments = []
    for name, mac in nics:
        # No boot ROM: the kernel is loaded directly, and a snapshot has less to depend on.
        device = f"virtio-net-pci,netdev={name},id={name}-nic,mac={mac},romfile=,{NIC_SPEED}"
        arguments += ["-device", device]
    return arguments


def disk_files(host: Host) -> list[str]:
    """The qcow2 files of the host, the root disk first."""
    return [ROOT_DISK, *(disk_file(disk) for disk in host.disks)]


def disk_file(disk: Disk) -> str:
    """Named so that no disk, whatever its name, is the root disk."""
    return f"disk-{disk.name}.qcow2"


def _disks(host: Host) -> list[str]:
    arguments = []
    for number, file in enumerate(disk_files(host)):
        serial = f",serial={host.disks[number - 1].name}" if number else ""
        arguments += [
            *("-drive", f"file={file},id=disk{number},if=none,cache=unsafe,discard=unmap"),
            *("-device", f"virtio-blk-pci,drive=disk{number}{serial}"),
        ]
    return arguments


def _wires(lab: Lab, host: Host) -> list[str]:
    """Each NIC sends to one peer's socket: the other end of its wire, or its port of a switch."""
    arguments: list[str] = []
    for nic in host.nics:
        peer = _peer_socket(lab, host, nic.name, nic.network)
        backend = (
            f"dgram,id={nic.name},local.type=unix,local.path={nic_socket(nic.name)},"
            f"remote.type=unix,remote.path={peer}"
            if peer
            else f"hubport,id={nic.name},hubid={len(arguments)}"
        )
        arguments += ["-netdev", backend]
    return arguments


def nic_socket(nic: str) -> str:
    return f"{nic}.sock"


def switch_socket(host: str, nic: str) -> str:
    return f"switch-{host}-{nic}.sock"


def _peer_socket(lab: Lab, host: Host, nic: str, network: str) -> str | None:
    ends = lab.networks()[network]
    others = [(h, n) for h, n in ends if (h.name, n.name) != (host.name, nic)]
    if not others:
        return None
    if len(others) > 1:
        return f"../{switch_socket(host.name, nic)}"
    peer_host, peer_nic = others[0]
    return f"../{peer_host.name}/{nic_socket(peer_nic.name)}"
