# SPDX-License-Identifier: GPL-3.0-or-later
"""What a move asks of a host beside what other plans do: each question is a fact, and has a type.

`None` is always that nobody can tell.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from .facts import Facts

# How a CPU compares to that of a host.
LACKS, SAME, FITS = "lacks", "same", "fits"


class Identity(NamedTuple):
    """What a host is told from others by, and how it confines VMs."""

    uuid: str
    hostname: str
    security: tuple[str, ...] = ()  # the models by which it confines VMs: apparmor, dac


class Clock(NamedTuple):
    """A host's clock beside that of the machine that looked at it."""

    ahead_s: float
    within_s: float  # how far from true that may be
    beside: str  # the machine that looked


# Among the texts of a VM that is sent: why it cannot be, and that libvirt stopped it to be sent.
NOT_NOW, HALTED = "not_now", "halted"


class Inside(NamedTuple):
    """What the header of a disk's image says of what else there is in it, and is not."""

    snapshots: int = 0  # that QEMU or qemu-img took, of whom libvirt may know nothing
    data_elsewhere: bool = False  # in a file of its own


class DiskSize(NamedTuple):
    """How large a disk of a VM is, in bytes."""

    capacity: int  # what the guest sees
    allocation: int  # what it takes
    physical: int  # the end of its file


class Bridge(NamedTuple):
    """A bridge of the host."""

    mtu: int  # 0 where that is not known
    ports: tuple[str, ...]  # without those of VMs


class GuestCpus(NamedTuple):
    """The CPUs that a hypervisor has for guests."""

    model: str  # of host-model
    vendor: str
    features: dict[str, str]  # beside those of the model: each with its policy
    usable: dict[str, str]  # named models: yes, no, or unknown
    blockers: dict[str, list[str]]  # of a model that is not usable: what the host lacks


class Mount(NamedTuple):
    """A file system of a server or of a cluster that is mounted."""

    path: str
    type: str  # nfs4
    source: str  # nas:/export


def family_of(machine: str) -> str:
    """Of which family a machine type is: `pc-q35-7.2` of `pc-q35`."""
    return re.sub(r"-[0-9][0-9.]*$", "", machine)


class MoveFacts:
    """One host, as far as a move asks about it."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts

    def knows(self, *fact: str) -> bool:
        """Whether a question that was asked has an answer."""
        return fact not in self.facts.missing

    @property
    def identity(self) -> Identity | None:
        """By what it is told from others."""
        found: Identity | None = self.facts.ask("identity")
        return found

    @property
    def clock(self) -> Clock | None:
        """Its clock."""
        found: Clock | None = self.facts.ask("clock")
        return found

    @property
    def kernel(self) -> str | None:
        """The release of its kernel: 6.12.118+deb13-cloud-amd64."""
        found: str | None = self.facts.ask("kernel")
        return found

    @property
    def addresses(self) -> dict[str, list[str]] | None:
        """The addresses by which others reach it, of each of its interfaces."""
        found: dict[str, list[str]] | None = self.facts.ask("addresses")
        return found

    @property
    def lock_manager(self) -> str | None:
        """Who gives leases on disks: lockd, sanlock or nobody (empty)."""
        found: str | None = self.facts.ask("lock_manager")
        return found

    @property
    def mounts(self) -> list[Mount] | None:
        """What it has mounted that other hosts may have, too."""
        found: list[Mount] | None = self.facts.ask("mounts")
        return found

    @property
    def node_devices(self) -> list[str] | None:
        """Its devices that can be handed to VMs, by libvirt's names: pci_0000_03_00_0."""
        found: list[str] | None = self.facts.ask("node_devices")
        return found

    @property
    def nwfilters(self) -> list[str] | None:
        """The names of its network filters."""
        found: list[str] | None = self.facts.ask("nwfilters")
        return found

    def bridge(self, name: str) -> Bridge | None:
        """A bridge of the host that is there, as far as it can be seen from here."""
        found: Bridge | None = self.facts.ask("bridge", name)
        return found

    def migratable(self, vm: str) -> dict[str, str]:
        """The definitions of a VM as libvirt would send them: `stored`, and `live` of what runs, or
        of what is saved and runs again."""
        return dict(self.facts.ask("migratable", vm, unknown={}))

    def why_not_now(self, vm: str) -> str:
        """Why what runs cannot be moved in the state that it is in; empty where it can."""
        return str(self.facts.ask("migratable", vm, unknown={}).get(NOT_NOW, ""))

    def halted(self, vm: str) -> bool:
        """Whether it stands still for a move: all of it has gone over, or that had begun."""
        return HALTED in self.facts.ask("migratable", vm, unknown={})

    def post_copy(self, vm: str) -> bool:
        """Whether a part of its memory is on another host, as post-copy has it."""
        return bool(self.facts.ask("post_copy", vm, unknown=False))

    def disk_size(self, vm: str, target: str) -> DiskSize | None:
        """How large the disk at a target of a VM is."""
        found: DiskSize | None = self.facts.ask("disk_size", vm, target)
        return found

    def inside(self, vm: str, target: str) -> Inside | None:
        """What else is in the image at a target of a VM; None where its header cannot be read."""
        found: Inside | None = self.facts.ask("inside", vm, target)
        return found

    def reaches(self, address: str, port: int) -> str | None:
        """What comes of a connection from there to a port: open, closed, or why there is none."""
        found: str | None = self.facts.ask("reaches", address, str(port))
        return found

    def device_models(self, arch: str, machine: str, virt_type: str) -> dict[str, list[str]] | None:
        """What the hypervisor has of each kind of device: `video/modelType: [qxl, virtio]`.

        A kind that it does not support has no models; one of which libvirt says nothing is left
        out. None as well where it has no such machine.
        """
        found: dict[str, list[str]] | None = self.facts.ask(
            "device_models", arch, machine, virt_type
        )
        return found

    def guest_cpus(self, arch: str, machine: str, virt_type: str) -> GuestCpus | None:
        """The CPUs that the hypervisor has for guests."""
        found: GuestCpus | None = self.facts.ask("guest_cpus", arch, machine, virt_type)
        return found

    def cpu_comparison(
        self, arch: str, machine: str, virt_type: str, cpu: str
    ) -> dict[str, Any] | None:
        """How a `<cpu>` compares with what the hypervisor can run: its `result`, and what is
        `said`, which names the features that are lacking."""
        found: dict[str, Any] | None = self.facts.ask(
            "cpu_comparison", arch, machine, virt_type, cpu
        )
        return found
