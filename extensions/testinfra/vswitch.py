# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""host.vswitch("prod"): a virtual switch, which is a libvirt network."""

from __future__ import annotations

import ipaddress
import xml.etree.ElementTree as ET
from typing import Any

from .virsh import VirshModule


class Vswitch(VirshModule):
    """A virtual switch

    >>> host.vswitch("prod").is_active
    True
    >>> host.vswitch("prod").port_groups
    ['vlan10', 'vlan20']
    """

    @property
    def exists(self) -> bool:
        return self.listed("net-list --all --name")

    @property
    def is_active(self) -> bool:
        return self.listed("net-list --name")

    @property
    def is_autostart(self) -> bool:
        return self.listed("net-list --all --autostart --name")

    @property
    def xml(self) -> ET.Element:
        """As it is now: what is active, or what is stored when it is not."""
        return self.parse("net-dumpxml", self.name)

    @property
    def stored_xml(self) -> ET.Element:
        return self.parse("net-dumpxml --inactive", self.name)

    @property
    def mode(self) -> str:
        """nat, route, open, bridge..., or isolated for a network that forwards nothing."""
        forward = self.xml.find("forward")
        return "isolated" if forward is None else forward.get("mode", "nat")

    @property
    def bridge(self) -> str | None:
        """The host's bridge that carries it."""
        element = self.xml.find("bridge")
        return None if element is None else element.get("name")

    @property
    def mtu(self) -> int | None:
        """As the kernel has it on the bridge; None while there is no bridge."""
        path = f"/sys/class/net/{self.bridge}/mtu"
        done = self.run("cat %s", path)
        return int(done.stdout) if done.rc == 0 else None

    @property
    def addresses(self) -> list[str]:
        """The host's own addresses on the vswitch, with prefix."""
        return [_address(element) for element in self.xml.iterfind("ip")]

    @property
    def port_groups(self) -> list[str]:
        return [element.get("name", "") for element in self.xml.iterfind("portgroup")]

    @property
    def members(self) -> list[str]:
        """The interfaces that the kernel has on the bridge: taps of VMs, and uplinks."""
        done = self.run("ls %s", f"/sys/class/net/{self.bridge}/brif")
        return sorted(done.stdout.split()) if done.rc == 0 else []

    @property
    def leases(self) -> dict[str, str]:
        """The addresses that its DHCP server gave out, by MAC."""
        return parse_leases(self.virsh("net-dhcp-leases", self.name))


def parse_leases(text: str) -> dict[str, str]:
    """Lines of date, time, MAC, protocol, address/prefix, hostname, client id."""
    rows = (line.split() for line in text.splitlines())
    return {row[2]: row[4].partition("/")[0] for row in rows if len(row) >= 5 and row[3] == "ipv4"}


def _address(element: Any) -> str:
    prefix = element.get("prefix") or element.get("netmask") or "32"
    return str(ipaddress.ip_interface(f"{element.get('address')}/{prefix}"))
