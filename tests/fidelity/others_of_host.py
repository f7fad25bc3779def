"""Others at vswitches, pools and volumes: `virsh net-update`, `pool-edit` and so on."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import libvirt

ATTEMPTS = 6
ADD = libvirt.VIR_NETWORK_UPDATE_COMMAND_ADD_LAST
DELETE = libvirt.VIR_NETWORK_UPDATE_COMMAND_DELETE
CONFIG = libvirt.VIR_NETWORK_UPDATE_AFFECT_CONFIG
LIVE = libvirt.VIR_NETWORK_UPDATE_AFFECT_LIVE
STORED = libvirt.VIR_NETWORK_XML_INACTIVE
MIB = 2**20


def first_that_works(rng: Random, acts: Sequence[Callable[[], str]]) -> str:
    """What was done; some of what is tried may be refused, or have nothing to do."""
    for _each in range(ATTEMPTS):
        try:
            if said := rng.choice(acts)():
                return said
        except libvirt.libvirtError:
            continue
    return "nothing"


class VswitchOthers:
    """Others at one network."""

    def __init__(self, rng: Random, conn: Any, name: str) -> None:
        self.rng = rng
        self.conn = conn
        self.name = name

    def act(self) -> str:
        acts = [self.host, self.dns_host, self.port_group, self.edit, self.edit, self.power,
                self.autostart, self.note]  # fmt: skip
        return first_that_works(self.rng, acts)

    @property
    def network(self) -> Any:
        return self.conn.networkLookupByName(self.name)

    def _stored(self) -> ET.Element:
        return ET.fromstring(self.network.XMLDesc(STORED))

    def _flags(self) -> int:
        both = [CONFIG, CONFIG | LIVE, LIVE]
        return int(self.rng.choice(both)) if self.network.isActive() else CONFIG

    def _update(self, section: int, command: int, xml: str) -> str:
        # Libvirt takes the command and the section the other way round than it says in C.
        self.network.update(command, section, -1, xml, self._flags())
        return f"virsh net-update: {'add' if command == ADD else 'delete'} {xml}"

    def host(self) -> str:
        section = libvirt.VIR_NETWORK_SECTION_IP_DHCP_HOST
        known = self._stored().findall("ip/dhcp/host")
        if known and self.rng.random() < 0.4:
            xml = ET.tostring(self.rng.choice(known), encoding="unicode").strip()
            return self._update(section, DELETE, xml)
        ip = self._stored().find("ip")
        if ip is None or ip.get("family") == "ipv6":
            return ""
        above = (ip.get("address") or "").rsplit(".", 1)[0]
        place = self.rng.randint(2, 250)
        xml = f"<host mac='52:54:00:AA:00:{place:02X}' name='o{place}' ip='{above}.{place}'/>"
        return self._update(section, ADD, xml)

    def dns_host(self) -> str:
        place = self.rng.randint(20, 30)
        xml = f"<host ip='192.0.2.{place}'><hostname>other{place}</hostname></host>"
        return self._update(libvirt.VIR_NETWORK_SECTION_DNS_HOST, ADD, xml)

    def port_group(self) -> str:
        xml = f"<portgroup name='other{self.rng.randint(1, 3)}'/>"
        return self._update(libvirt.VIR_NETWORK_SECTION_PORTGROUP, ADD, xml)

    def power(self) -> str:
        network = self.network
        (network.destroy if network.isActive() else network.create)()
        return "virsh net-start or net-destroy"

    def autostart(self) -> str:
        self.network.setAutostart(not self.network.autostart())
        return "virsh net-autostart"

    def note(self) -> str:
        text = self.network.XMLDesc(STORED)
        said = '<n:note xmlns:n="urn:example:note"><!-- x --><n:by who="you"/></n:note>'
        if "</metadata>" not in text:
            return ""
        self.conn.networkDefineXML(text.replace("</metadata>", f"{said}</metadata>", 1))
        return "virsh net-edit: a note"

    def edit(self) -> str:
        text = self.network.XMLDesc(STORED)
        root = ET.fromstring(text)
        edit = self.rng.choice([_dns_texts, _domain, _nat_ports, _dhcp_extras, _group])
        edit(self.rng, root)
        self.conn.networkDefineXML(ET.tostring(root, encoding="unicode"))
        changed = self.network.XMLDesc(STORED) != text
        return f"virsh net-edit: {edit.__name__[1:]}" if changed else ""


def _child(parent: ET.Element, tag: str) -> ET.Element:
    found = parent.find(tag)
    return ET.SubElement(parent, tag) if found is None else found


def _dns_texts(rng: Random, root: ET.Element) -> None:
    dns = _child(root, "dns")
    if dns.get("enable") == "no":
        return
    if rng.random() < 0.5:
        ET.SubElement(dns, "txt", name=f"t{rng.randint(1, 9)}", value="some text")
    else:
        ET.SubElement(dns, "srv", service="ldap", protocol="tcp", target="x", port="389")


def _domain(_rng: Random, root: ET.Element) -> None:
    if root.find("domain") is not None:
        root.find("domain").set("localOnly", "yes")


def _nat_ports(_rng: Random, root: ET.Element) -> None:
    forward = root.find("forward[@mode='nat']")
    if forward is not None and forward.find("nat/port") is None:
        ET.SubElement(_child(forward, "nat"), "port", start="1024", end="40000")


def _dhcp_extras(rng: Random, root: ET.Element) -> None:
    dhcp = root.find("ip/dhcp")
    if dhcp is None:
        return
    if rng.random() < 0.5 and dhcp.find("bootp") is None:
        ET.SubElement(dhcp, "bootp", file="pxelinux.0")
    for one in dhcp.findall("range"):
        if one.find("lease") is None:
            ET.SubElement(one, "lease", expiry="2", unit="hours")


def _group(_rng: Random, root: ET.Element) -> None:
    for group in root.findall("portgroup"):
        group.set("trustGuestRxFilters", "yes")


class PoolOthers:
    """Others at one pool and its volumes."""

    def __init__(self, rng: Random, conn: Any, name: str) -> None:
        self.rng = rng
        self.conn = conn
        self.name = name
        self.made = 0

    def act(self) -> str:
        acts = [self.power, self.autostart, self.edit, self.create, self.create, self.resize,
                self.delete]  # fmt: skip
        return first_that_works(self.rng, acts)

    @property
    def pool(self) -> Any:
        return self.conn.storagePoolLookupByName(self.name)

    def power(self) -> str:
        pool = self.pool
        (pool.destroy if pool.isActive() else pool.create)()
        return "virsh pool-start or pool-destroy"

    def autostart(self) -> str:
        self.pool.setAutostart(not self.pool.autostart())
        return "virsh pool-autostart"

    def edit(self) -> str:
        text = self.pool.XMLDesc(libvirt.VIR_STORAGE_XML_INACTIVE)
        root = ET.fromstring(text)
        for old in root.findall("target/permissions"):
            root.find("target").remove(old)
        permissions = ET.SubElement(_child(root, "target"), "permissions")
        ET.SubElement(permissions, "mode").text = self.rng.choice(["0711", "0750"])
        for tag in ("owner", "group"):
            ET.SubElement(permissions, tag).text = "0"
        self.conn.storagePoolDefineXML(ET.tostring(root, encoding="unicode"))
        return "virsh pool-edit: permissions"

    def create(self) -> str:
        self.made += 1
        name = f"other{self.made}.{self.rng.choice(['qcow2', 'raw'])}"
        form = name.rsplit(".", 1)[1]
        self.pool.createXML(
            f"<volume><name>{name}</name><capacity unit='MiB'>{self.rng.randint(1, 9)}</capacity>"
            f"<target><format type='{form}'/></target></volume>"
        )
        return f"virsh vol-create-as {name}"

    def _mine(self) -> list[Any]:
        """What others may do away with: not the images that the declarations refer to."""
        volumes = self.pool.listAllVolumes() if self.pool.isActive() else []
        names = ("other", "v", "a ", "ü")
        return [one for one in volumes if one.name().startswith(names)]

    def resize(self) -> str:
        volumes = self._mine()
        if not volumes:
            return ""
        volume = self.rng.choice(volumes)
        volume.resize(volume.info()[1] + self.rng.randint(1, 8) * MIB)
        return f"virsh vol-resize {volume.name()}"

    def delete(self) -> str:
        volumes = [one for one in self._mine() if one.name().startswith("other")]
        if not volumes:
            return ""
        volume = self.rng.choice(volumes)
        volume.delete()
        return f"virsh vol-delete {volume.name()}"
