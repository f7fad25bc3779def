# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""host.vm("web"): a virtual machine."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

from .domain import VmDisk, VmNic, cpu_count, disks, nics
from .pending import pending
from .virsh import VirshModule, bytes_of

MIB = 2**20
# An address is known from a lease, from the guest's agent, or from the host's ARP table.
ADDRESS_SOURCES = ("lease", "arp")


class Vm(VirshModule):
    """A virtual machine

    >>> host.vm("web").is_running
    True
    >>> host.vm("web").cpu_count
    2
    >>> [disk.source for disk in host.vm("web").disks]
    ['fast/web-root.qcow2']
    """

    @property
    def exists(self) -> bool:
        return self.listed("list --all --name")

    @property
    def state(self) -> str:
        """In libvirt's words: running, paused, shut off, crashed..."""
        return self.virsh("domstate", self.name).strip()

    @property
    def is_running(self) -> bool:
        return self.exists and self.state == "running"

    @property
    def is_autostart(self) -> bool:
        return self.info("dominfo", self.name)["autostart"] == "enable"

    @property
    def is_persistent(self) -> bool:
        return self.info("dominfo", self.name)["persistent"] == "yes"

    @property
    def has_saved_memory(self) -> bool:
        return self.info("dominfo", self.name)["managed save"] == "yes"

    @property
    def xml(self) -> ET.Element:
        """As it is now: what runs, or what is stored when it does not run."""
        return self.parse("dumpxml", self.name)

    @property
    def stored_xml(self) -> ET.Element:
        """What the next start will use."""
        return self.parse("dumpxml --inactive", self.name)

    @property
    def domain_type(self) -> str:
        """kvm or qemu."""
        return str(self.xml.get("type"))

    @property
    def cpu_count(self) -> int:
        return cpu_count(self.xml)

    @property
    def cpu_maximum(self) -> int:
        return int(self.xml.findtext("vcpu", "0"))

    @property
    def memory_mib(self) -> int:
        """What the guest has now; a balloon may have taken the rest."""
        return bytes_of(self.xml.find("currentMemory"), "KiB") // MIB

    @property
    def memory_maximum_mib(self) -> int:
        return bytes_of(self.xml.find("memory"), "KiB") // MIB

    @property
    def disks(self) -> list[VmDisk]:
        return disks(self.xml)

    @property
    def nics(self) -> list[VmNic]:
        return nics(self.xml)

    def disk(self, name: str) -> VmDisk:
        """The disk of that name, or at that target."""
        return _one(self.disks, "disk", name, "name", "target")

    def nic(self, name: str) -> VmNic:
        """The NIC of that name, or with that MAC."""
        return _one(self.nics, "NIC", name, "name", "mac")

    @property
    def addresses(self) -> list[str]:
        """The guest's IPv4 addresses as the host knows them."""
        found: set[str] = set()
        for source in ADDRESS_SOURCES:
            found.update(parse_addresses(self.virsh(f"domifaddr --source {source}", self.name)))
        return sorted(found)

    @property
    def pending_restart(self) -> list[str]:
        """What the next start will change, by name, of what pending.py compares.

        >>> host.vm("web").pending_restart
        ['cpu_count']

        Compared are boot order, kernel, firmware, secure boot, machine, type, CPUs, CPU mode, model
        and topology, maximum memory, balloon, clock, lifecycle, disks, NICs, channels, serial
        ports, graphics, video, random number generator, watchdog and TPM; docs/lab.md has the
        names, and what of each. All else is not, and neither is the memory that the balloon holds:
        what a guest has of its maximum is the guest's to give, and libvirt tells no target.
        """
        if self.state == "shut off":
            return []
        return pending(self.xml, self.stored_xml)


def parse_addresses(text: str) -> list[str]:
    """The IPv4 addresses of domifaddr: lines of interface, MAC, protocol, address/prefix."""
    rows = (line.split() for line in text.splitlines())
    return [row[3].partition("/")[0] for row in rows if len(row) == 4 and row[2] == "ipv4"]


def _one(devices: list[Any], what: str, name: str, *attributes: str) -> Any:
    for device in devices:
        if name in [getattr(device, attribute) for attribute in attributes]:
            return device
    known = [getattr(device, attributes[0]) or getattr(device, attributes[1]) for device in devices]
    raise AssertionError(f"there is no {what} {name}, but {', '.join(known) or 'none at all'}")
