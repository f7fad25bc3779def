# SPDX-License-Identifier: GPL-3.0-or-later
"""How images are called that have no path: those of servers, and namespaces of NVMe controllers.

It is what two disks have in common that stand on one image. It has no secret in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...engine.xmltree import Element

NETWORK, NVME = "network", "nvme"
# What a name says of no one server: all that serve it serve the same.
NAMED_ALONE = ("rbd", "iscsi", "sheepdog")
ADDRESS = ("domain", "bus", "slot", "function")
# Those of libvirt 9.0 to 11.3 (virStorageNetProtocol).
PROTOCOLS = (
    *("rbd", "iscsi", "nbd", "https", "http", "ftps", "ftp", "tftp", "ssh", "gluster", "nfs"),
    *("sheepdog", "vxhs"),
)
# Those that are opened by a user's secret, and libvirt's word for its usage.
USAGES = {"rbd": "ceph", "iscsi": "iscsi"}
TRANSPORTS = ("tcp", "rdma", "unix")
HOST = ("name", "port", "transport", "socket")
AUTH = ("username", "secret/@type", "secret/@usage", "secret/@uuid")
PLACES = ("source/auth", "auth")  # of the same, and libvirt keeps it where it was


def name_of(source: Mapping[str, Any]) -> str:
    """The name of what the options of a disk say; empty where that has a path, or is a volume."""
    if NVME in source:
        return f"nvme:{source[NVME]['address']}/{source[NVME]['namespace']}"
    said = source.get(NETWORK)
    return _called(said["protocol"], said.get("name", ""), said.get("hosts", ())) if said else ""


def name_in(kind: str, source: Element) -> str:
    """The same of a source in a domain's XML, by the type of its disk."""
    if kind == NETWORK:
        hosts = [host.attrib for host in source.findall("host")]
        return _called(source.get("protocol", ""), source.get("name", ""), hosts)
    address = source.find("address")
    if kind != NVME or address is None:
        return ""
    return f"nvme:{pci_address(address.attrib)}/{source.get('namespace')}"


def place_of(source: Element) -> str:
    """The path of a source in a domain's XML, or what it is called on its server."""
    path = source.get("file") or source.get("dev")
    return path or (name_in(NETWORK, source) if source.get("protocol") else "")


def pci_address(said: Mapping[str, str]) -> str:
    """An address as lspci writes it: 0000:01:00.0."""
    return "{:04x}:{:02x}:{:02x}.{:x}".format(*(int(said.get(at) or "0", 0) for at in ADDRESS))


def _called(protocol: str, name: Any, hosts: Sequence[Mapping[str, Any]]) -> str:
    from ...engine.secret_words import shown_name

    if protocol in NAMED_ALONE or not hosts:
        return shown_name(f"{protocol}:{name}")
    host = hosts[0]
    port = f":{host['port']}" if host.get("port") else ""
    return shown_name(f"{protocol}:{host.get('socket') or host.get('name')}{port}/{name}")
