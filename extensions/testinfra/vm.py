# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""host.vm("web"): a virtual machine."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import asdict, dataclass
from typing import Any

from .virsh import VirshModule, bytes_of

# What libvirt wants before a user's own alias, and what kvm.fleet puts before its names, since an
# alias is unique in the whole VM.
USER_ALIAS = re.compile(r"ua-((disk|cdrom|nic)-)?")
MIB = 2**20
# An address is known from a lease, from the guest's agent, or from the host's ARP table.
ADDRESS_SOURCES = ("lease", "arp")


@dataclass(frozen=True)
class VmDisk:
    """A disk or CD-ROM. ``source`` is a path, POOL/VOLUME, a remote name, or None without media."""

    name: str | None
    target: str
    source: str | None
    bus: str
    format: str | None
    device: str
    read_only: bool


@dataclass(frozen=True)
class VmNic:
    """A NIC. ``vswitch`` is the libvirt network; ``bridge`` is set where it is on a bridge."""

    name: str | None
    mac: str
    vswitch: str | None
    port_group: str | None
    bridge: str | None
    model: str | None
    link_up: bool


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
        """What the next start will change, by name; empty when it runs as it is stored.

        >>> host.vm("web").pending_restart
        ['cpu_count']
        """
        if self.state == "shut off":
            return []
        return differences(facts(self.xml), facts(self.stored_xml))


def cpu_count(domain: ET.Element) -> int:
    vcpu = domain.find("vcpu")
    return 0 if vcpu is None else int(vcpu.get("current") or vcpu.text or 0)


def disks(domain: ET.Element) -> list[VmDisk]:
    return [_disk(element) for element in domain.iterfind("devices/disk")]


def nics(domain: ET.Element) -> list[VmNic]:
    return [_nic(element) for element in domain.iterfind("devices/interface")]


def facts(domain: ET.Element) -> dict[str, Any]:
    """What a start could change, from the running or the stored definition alike."""
    mode = _attributes(domain.find("cpu")).get("mode")
    return {
        "cpu_count": cpu_count(domain),
        "cpu_maximum": domain.findtext("vcpu"),
        "cpu_topology": _attributes(domain.find("cpu/topology")),
        # A host-model that runs is told as the custom model that it became.
        "cpu_mode": "custom" if mode == "host-model" else mode,
        "memory_maximum": bytes_of(domain.find("memory"), "KiB"),
        "machine": _attributes(domain.find("os/type")).get("machine"),
        "kernel": [domain.findtext(f"os/{part}") for part in ("kernel", "initrd", "cmdline")],
        "disks": [asdict(disk) for disk in disks(domain)],
        "nics": [asdict(nic) for nic in nics(domain)],
    }


def differences(live: dict[str, Any], stored: dict[str, Any]) -> list[str]:
    return sorted(name for name in live if live[name] != stored[name])


def parse_addresses(text: str) -> list[str]:
    """The IPv4 addresses of domifaddr: lines of interface, MAC, protocol, address/prefix."""
    rows = (line.split() for line in text.splitlines())
    return [row[3].partition("/")[0] for row in rows if len(row) == 4 and row[2] == "ipv4"]


def _disk(element: ET.Element) -> VmDisk:
    target = _attributes(element.find("target"))
    source = _disk_source(element.find("source"))
    return VmDisk(
        name=_user_name(element),
        target=target["dev"],
        source=source,
        bus=target.get("bus", ""),
        # An empty drive is stored with a format, but runs without.
        format=_attributes(element.find("driver")).get("type") if source else None,
        device=element.get("device", "disk"),
        read_only=element.find("readonly") is not None,
    )


def _disk_source(source: ET.Element | None) -> str | None:
    if source is None:
        return None
    if source.get("pool"):
        return f"{source.get('pool')}/{source.get('volume')}"
    return source.get("file") or source.get("dev") or source.get("name")


def _nic(element: ET.Element) -> VmNic:
    source = _attributes(element.find("source"))
    vswitch = source.get("network")
    return VmNic(
        name=_user_name(element),
        mac=_attributes(element.find("mac")).get("address", ""),
        vswitch=vswitch,
        port_group=source.get("portgroup"),
        # A running NIC on a network names the network's bridge too, a stored one does not.
        bridge=None if vswitch else source.get("bridge"),
        model=_attributes(element.find("model")).get("type"),
        link_up=_attributes(element.find("link")).get("state", "up") == "up",
    )


def _user_name(element: ET.Element) -> str | None:
    """The name that the user gave the device; libvirt's own aliases are no names."""
    alias = _attributes(element.find("alias")).get("name", "")
    prefix = USER_ALIAS.match(alias)
    return alias[prefix.end() :] if prefix else None


def _attributes(element: ET.Element | None) -> dict[str, str]:
    return {} if element is None else element.attrib


def _one(devices: list[Any], what: str, name: str, *attributes: str) -> Any:
    for device in devices:
        if name in [getattr(device, attribute) for attribute in attributes]:
            return device
    known = [getattr(device, attributes[0]) or getattr(device, attributes[1]) for device in devices]
    raise AssertionError(f"there is no {what} {name}, but {', '.join(known) or 'none at all'}")
