# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read from a domain's XML, running or stored."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass

# What libvirt wants before a user's own alias, and what kvm.fleet puts before its names, since an
# alias is unique in the whole VM.
USER_ALIAS = re.compile(r"ua-((disk|cdrom|nic)-)?")


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


def cpu_count(domain: ET.Element) -> int:
    vcpu = domain.find("vcpu")
    return 0 if vcpu is None else int(vcpu.get("current") or vcpu.text or 0)


def disks(domain: ET.Element) -> list[VmDisk]:
    return [disk_of(element) for element in domain.iterfind("devices/disk")]


def nics(domain: ET.Element) -> list[VmNic]:
    return [nic_of(element) for element in domain.iterfind("devices/interface")]


def disk_of(element: ET.Element) -> VmDisk:
    target = attributes(element.find("target"))
    source = _disk_source(element.find("source"))
    return VmDisk(
        name=_user_name(element),
        target=target["dev"],
        source=source,
        bus=target.get("bus", ""),
        # An empty drive is stored with a format, but runs without.
        format=attributes(element.find("driver")).get("type") if source else None,
        device=element.get("device", "disk"),
        read_only=element.find("readonly") is not None,
    )


def _disk_source(source: ET.Element | None) -> str | None:
    if source is None:
        return None
    if source.get("pool"):
        return f"{source.get('pool')}/{source.get('volume')}"
    return source.get("file") or source.get("dev") or source.get("name")


def nic_of(element: ET.Element) -> VmNic:
    source = attributes(element.find("source"))
    vswitch = source.get("network")
    return VmNic(
        name=_user_name(element),
        mac=attributes(element.find("mac")).get("address", ""),
        vswitch=vswitch,
        port_group=source.get("portgroup"),
        # A running NIC on a network names the network's bridge too, a stored one does not.
        bridge=None if vswitch else source.get("bridge"),
        model=attributes(element.find("model")).get("type"),
        link_up=attributes(element.find("link")).get("state", "up") == "up",
    )


def _user_name(element: ET.Element) -> str | None:
    """The name that the user gave the device; libvirt's own aliases are no names."""
    alias = attributes(element.find("alias")).get("name", "")
    prefix = USER_ALIAS.match(alias)
    return alias[prefix.end() :] if prefix else None


def attributes(element: ET.Element | None) -> dict[str, str]:
    return {} if element is None else element.attrib
