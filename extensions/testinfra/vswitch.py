# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""host.vswitch("prod"): a virtual switch, which is a libvirt network."""

from __future__ import annotations

import ipaddress
import json
import xml.etree.ElementTree as ET
from typing import Any

from .virsh import VirshModule

FLEET = "urn:kvm.fleet:1"
EVERYBODY = "00:00:00:00:00:00"


class Vswitch(VirshModule):
    """A virtual switch

    >>> host.vswitch("prod").is_active
    True
    >>> host.vswitch("prod").port_groups
    ['vlan10', 'vlan20']
    >>> host.vswitch("prod").port_group("vlan10").vlan
    10
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

    def port_group(self, name: str) -> PortGroup:
        """One of them."""
        named = f"portgroup[@name='{name}']"
        found = self.xml.find(named)
        if found is None:
            raise LookupError(f"vswitch {self.name} has no port group {name}")
        noted = f"metadata/{{{FLEET}}}resource/{{{FLEET}}}{named}"
        return PortGroup(found, self.stored_xml.find(noted))

    @property
    def uplinks(self) -> list[str]:
        """Of Open vSwitch those that the collection made; of a bridge of Linux the NICs of the host
        on it, or in a bond on it."""
        if self.run("ovs-vsctl br-exists %s", self.bridge).rc == 0:
            return self._uplinks_in_open_vswitch()
        members = self.members
        for bond in members:
            members += self.run("cat /sys/class/net/%s/bonding/slaves", bond).stdout.split()
        return sorted(name for name in members if self._is_nic(name))

    def _uplinks_in_open_vswitch(self) -> list[str]:
        marked = "--bare --columns=interfaces find Port external_ids:kvm-fleet=uplink"
        uuids = self.run(f"ovs-vsctl {marked}").stdout.split()
        on_it = self.run("ovs-vsctl list-ifaces %s", self.bridge).stdout.split()
        names = [self.run("ovs-vsctl get Interface %s name", one).stdout for one in uuids]
        return sorted({name.strip().strip('"') for name in names} & {*on_it})

    @property
    def peers(self) -> list[str]:
        """The other hosts to which its overlay has tunnels, as the switch itself has them."""
        if self.run("ovs-vsctl br-exists %s", self.bridge).rc == 0:
            ports = self.run("ovs-vsctl list-ifaces %s", self.bridge).stdout.split()
            asked = "ovs-vsctl --if-exists get Interface %s options:remote_ip"
            found = [self.run(asked, port).stdout.strip().strip('"') for port in ports]
            return sorted(peer for peer in found if peer)
        told = self.run("ip -j link show master %s type vxlan", self.bridge).stdout
        names = [row["ifname"] for row in parse_rows(told) if "ifname" in row]
        said = [self.run("bridge -j fdb show dev %s", name).stdout for name in names]
        return sorted(peer for one in said for peer in parse_peers(one))

    def _is_nic(self, interface: str) -> bool:
        """Whether it is hardware, or what the machine is given as such."""
        return bool(self.run("test -e %s", f"/sys/class/net/{interface}/device").rc == 0)

    def port_of(self, vm: str, mac: str) -> str | None:
        """The port of a running VM's NIC: its tap on the host."""
        for nic in self.parse("dumpxml", vm).iterfind("devices/interface"):
            address, target = nic.find("mac"), nic.find("target")
            if address is not None and address.get("address") == mac and target is not None:
                return target.get("dev")
        return None

    @property
    def members(self) -> list[str]:
        """The interfaces that the kernel has on the bridge: taps of VMs, and uplinks."""
        done = self.run("ls %s", f"/sys/class/net/{self.bridge}/brif")
        return sorted(done.stdout.split()) if done.rc == 0 else []

    @property
    def leases(self) -> dict[str, str]:
        """The addresses that its DHCP server gave out, by MAC."""
        return parse_leases(self.virsh("net-dhcp-leases", self.name))


class PortGroup:
    """A port group, as libvirt has it; and as noted what that has not: its security and isolation,
    and VLANs on a bridge of Linux before 11.0."""

    def __init__(self, element: ET.Element, note: ET.Element | None = None) -> None:
        self.element = element
        has_vlans = note is not None and note.find("vlan") is not None
        self._with_vlans = note if note is not None and has_vlans else element
        self.security = "permissive" if note is None else note.get("security", "permissive")
        self.is_isolated = note is not None and note.get("isolated") == "yes"

    @property
    def is_default(self) -> bool:
        return self.element.get("default") == "yes"

    @property
    def vlan(self) -> int | None:
        """Its VLAN; None without one, or where it is a trunk."""
        tags = self._tags()
        return int(tags[0].get("id", 0)) if len(tags) == 1 and not self._is_trunk() else None

    @property
    def trunk(self) -> list[int]:
        """The VLANs that come with tags."""
        tags = self._tags() if len(self._tags()) > 1 or self._is_trunk() else []
        return sorted(int(tag.get("id", 0)) for tag in tags if tag.get("nativeMode") != "untagged")

    def _tags(self) -> list[ET.Element]:
        return self._with_vlans.findall("vlan/tag")

    def _is_trunk(self) -> bool:
        vlan = self._with_vlans.find("vlan")
        return vlan is not None and vlan.get("trunk") == "yes"


def parse_leases(text: str) -> dict[str, str]:
    """Lines of date, time, MAC, protocol, address/prefix, hostname, client id."""
    rows = (line.split() for line in text.splitlines())
    return {row[2]: row[4].partition("/")[0] for row in rows if len(row) >= 5 and row[3] == "ipv4"}


def parse_peers(text: str) -> list[str]:
    """Where a tunnel of Linux sends what it knows no other way for, in what `bridge` tells of it as
    JSON."""
    rows = parse_rows(text)
    return [row["dst"] for row in rows if row.get("mac") == EVERYBODY and "dst" in row]


def parse_rows(text: str) -> list[dict[str, Any]]:
    """What programs of iproute2 list as JSON, which is nothing at all where there is nothing."""
    return list(json.loads(text)) if text.strip() else []


def _address(element: Any) -> str:
    prefix = element.get("prefix") or element.get("netmask") or "32"
    return str(ipaddress.ip_interface(f"{element.get('address')}/{prefix}"))
