# SPDX-License-Identifier: GPL-3.0-or-later
"""Sources of disks on servers and on NVMe, from a declaration to the XML and back.

Beside the rows of disk_sources.py, since few VMs have such a disk.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from ...engine.codecs import Codec, Value
from ...engine.hidden import partly_sensitive, revealed
from ...engine.texts import as_kept
from ..images.servers import (
    ADDRESS,
    HOST,
    NETWORK,
    NVME,
    PLACES,
    PROTOCOLS,
    USAGES,
    pci_address,
)

# What libvirt adds where there is none (virStorageSourceNetworkDefaultPort).
PORTS = {
    **{"nbd": 10809, "iscsi": 3260, "https": 443, "http": 80, "ftps": 990, "ftp": 21, "tftp": 69},
    **{"ssh": 22, "gluster": 24007, "sheepdog": 7000, "vxhs": 9999},
}


def _parse_network(given: Any) -> dict[str, Value]:
    """An image of a server; in the XML it is parts of the source, and elements for its hosts."""
    said = _given(given)
    if said.get("protocol") not in PROTOCOLS:
        raise ValueError(f"needs a protocol, one of {', '.join(PROTOCOLS)}")
    made: dict[str, Value] = {"protocol": said["protocol"]}
    if said.get("name"):
        made["name"] = _name(made["protocol"], str(revealed(said["name"])))
    if "hosts" in said:
        made["hosts"] = [_host(_given(host), said["protocol"]) for host in said["hosts"]]
    if "tls" in said:
        made["tls"] = bool(said["tls"])
    if "auth" in said:
        made["auth"] = _auth(_given(said["auth"]))
    return made


def _decode_network(found: str | None) -> dict[str, Value]:
    said = json.loads(found or "{}")
    protocol, name = said.get("source/@protocol", ""), said.get("source/@name")
    made: dict[str, Value] = {"protocol": protocol}
    if name:
        made["name"] = _name(protocol, name)
    hosts = [_told_host(host, protocol) for host in said.get("source/host", ())]
    if hosts:
        made["hosts"] = hosts
    if "source/@tls" in said:
        made["tls"] = said["source/@tls"] == "yes"
    auth = _told_auth(said)
    return {**made, "auth": auth} if auth else made


def _encode_network(value: Value) -> str | None:
    if not value:
        return None
    said: dict[str, Value] = {"source/@protocol": value["protocol"]}
    if value.get("name"):
        said["source/@name"] = revealed(value["name"])
    if "tls" in value:
        said["source/@tls"] = "yes" if value["tls"] else "no"
    if value.get("hosts"):
        said["source/host"] = [_said_host(host) for host in value["hosts"]]
    said.update(_said_auth(value["protocol"], value.get("auth") or {}))
    return json.dumps(said)


def _given(given: Any) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise ValueError(f"{given!r} is no dictionary")
    said = {name: value for name, value in given.items() if value is not None}
    return {name: as_kept(value, in_attribute=True) for name, value in said.items()}


def _name(protocol: str, name: str) -> str:
    """As libvirt keeps it (virDomainPostParseCheckISCSIPath), with what is secret in it hidden."""
    if protocol == "iscsi" and "/" not in name:
        name = f"{name}/0"
    if not re.search("[=@%]", name):
        return name
    from ...engine.secret_words import swap_in_words

    return partly_sensitive(name, lambda gap: swap_in_words(name, gap))


def _host(said: Mapping[str, Any], protocol: str) -> dict[str, Value]:
    is_socket = said.get("transport") == "unix"
    if bool(said.get("socket")) is not is_socket or bool(said.get("name")) is is_socket:
        raise ValueError("a host needs a name, or the transport unix and a socket")
    if re.search(r"[@/?#\s]", str(said.get("name") or "")):
        raise ValueError(
            "the name of a host is that of a machine or its address; who asks is said by auth, and "
            "a port by port"
        )
    port = int(said.get("port") or 0)
    if not 0 <= port < 65536 or (port and is_socket):
        raise ValueError(f"a host cannot have the port {port}")
    texts = {at: str(text) for at, text in said.items() if text}
    return _told_host({**texts, "port": str(port)}, protocol)


def _told_host(said: Mapping[str, str], protocol: str) -> dict[str, Value]:
    """As libvirt writes it down: with the port, and with the transport where that is no TCP."""
    made: dict[str, Value] = {at: text for at, text in said.items() if at != "port"}
    if made.get("transport") == "tcp":
        del made["transport"]
    text = said.get("port", "")
    port = int(text) if text.isdigit() else 0
    if not port and "transport" not in made:
        port = PORTS.get(protocol, 0)
    return {**made, "port": port} if port else made


def _said_host(host: Mapping[str, Value]) -> dict[str, str]:
    return {at: str(host[at]) for at in HOST if host.get(at)}


def _auth(said: Mapping[str, Any]) -> dict[str, Value]:
    made: dict[str, Value] = {at: str(text) for at, text in said.items() if text}
    if not made:
        return {}
    if "username" not in made or ("secret" in made) is ("secret_uuid" in made):
        raise ValueError("auth needs a username, and the usage (secret) or UUID of a secret")
    if "secret_uuid" in made:
        made["secret_uuid"] = str(made["secret_uuid"]).lower()
    return made


def _told_auth(said: Mapping[str, str]) -> dict[str, Value]:
    place = next((one for one in PLACES if f"{one}/@username" in said), PLACES[0])
    texts = {
        "username": said.get(f"{place}/@username"),
        "secret": said.get(f"{place}/secret/@usage"),
        "secret_uuid": (said.get(f"{place}/secret/@uuid") or "").lower(),
    }
    return {at: text for at, text in texts.items() if text}


def _said_auth(protocol: str, auth: Mapping[str, Value]) -> dict[str, str]:
    texts = {
        "@username": auth.get("username"),
        "secret/@type": USAGES.get(protocol) if auth else None,
        "secret/@usage": auth.get("secret"),
        "secret/@uuid": auth.get("secret_uuid"),
    }
    return {f"{PLACES[0]}/{at}": str(text) for at, text in texts.items() if text}


_PCI = re.compile(r"([0-9a-f]{4}):([0-9a-f]{2}):([01][0-9a-f])\.([0-7])")


def _parse_nvme(given: Any) -> dict[str, Value]:
    """A namespace of an NVMe controller of the host, which QEMU drives by itself."""
    said = _given(given)
    address, namespace = str(said.get("address", "")).lower(), int(said.get("namespace", 0))
    if not _PCI.fullmatch(address):
        raise ValueError(f"{address!r} is no PCI address such as 0000:01:00.0 (lspci -D)")
    if namespace < 1:
        raise ValueError("needs the number of a namespace, from 1 on")
    made = {"address": address, "namespace": namespace}
    return {**made, "managed": bool(said["managed"])} if "managed" in said else made


def _decode_nvme(found: str | None) -> dict[str, Value]:
    said = json.loads(found or "{}")
    parts = {part: said.get(f"source/address/@{part}", "") for part in ADDRESS}
    return {
        "address": pci_address(parts),
        "namespace": int(said.get("source/@namespace") or 0),
        "managed": said.get("source/@managed") == "yes",
    }


def _encode_nvme(value: Value) -> str | None:
    match = _PCI.fullmatch(value["address"]) if value else None
    if match is None:
        return None
    address = {f"source/address/@{at}": f"0x{text}" for at, text in zip(ADDRESS, match.groups())}
    return json.dumps(
        {
            "source/@type": "pci",
            "source/@managed": "yes" if value.get("managed", True) else "no",
            "source/@namespace": str(value["namespace"]),
            **address,
        }
    )


# By the name of the source. Its options are with its row.
CODECS = {
    NETWORK: Codec(_parse_network, _decode_network, _encode_network, {}),
    NVME: Codec(_parse_nvme, _decode_nvme, _encode_nvme, {}),
}
