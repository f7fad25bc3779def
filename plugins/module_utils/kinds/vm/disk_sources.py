# SPDX-License-Identifier: GPL-3.0-or-later
"""What disks stand on that is no file and no device of a path: servers, and NVMe by its address.

A part of the table, see table.py. Each is one option whose value is a dictionary. That of a server
has no word of a password: libvirt's secrets are referred to by their usage or UUID.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from ...engine.codecs import Codec, Value
from ...engine.errors import Mistakes
from ...engine.fields import Composed
from ...engine.hidden import partly_sensitive, revealed
from ...engine.keys import UNION, Key, Values, named
from ...engine.texts import as_kept
from ...engine.world import World
from ...engine.xmltree import Element
from ..images.servers import ADDRESS, NETWORK, NVME, name_of, pci_address

# Those of libvirt 9.0 to 11.3 (virStorageNetProtocol).
PROTOCOLS = (
    *("rbd", "iscsi", "nbd", "https", "http", "ftps", "ftp", "tftp", "ssh", "gluster", "nfs"),
    *("sheepdog", "vxhs"),
)
# Those that are opened by a user's secret, and libvirt's word for its usage.
USAGES = {"rbd": "ceph", "iscsi": "iscsi"}
TRANSPORTS = ("tcp", "rdma", "unix")
# What libvirt adds where there is none (virStorageSourceNetworkDefaultPort).
PORTS = {
    **{"nbd": 10809, "iscsi": 3260, "https": 443, "http": 80, "ftps": 990, "ftp": 21, "tftp": 69},
    **{"ssh": 22, "gluster": 24007, "sheepdog": 7000, "vxhs": 9999},
}

_HOST = ("name", "port", "transport", "socket")
_AUTH = ("username", "secret/@type", "secret/@usage", "secret/@uuid")
_PLACES = ("source/auth", "auth")  # of the same, and libvirt keeps it where it was


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
    return {at: str(host[at]) for at in _HOST if host.get(at)}


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
    place = next((one for one in _PLACES if f"{one}/@username" in said), _PLACES[0])
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
    return {f"{_PLACES[0]}/{at}": str(text) for at, text in texts.items() if text}


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


NVME_OPTIONS = {
    "address": {"type": "str", "required": True},
    "namespace": {"type": "int", "required": True},
    "managed": {"type": "bool"},
}


# The name and UUID of a secret are no secrets.
_SECRET = {"type": "str", "no_log": False}
NETWORK_OPTIONS: dict[str, Any] = {
    "protocol": {"type": "str", "choices": list(PROTOCOLS), "required": True},
    "name": {"type": "str"},
    "hosts": {
        "type": "list",
        "elements": "dict",
        "options": {
            "name": {"type": "str"},
            "port": {"type": "int"},
            "transport": {"type": "str", "choices": list(TRANSPORTS)},
            "socket": {"type": "str"},
        },
    },
    "tls": {"type": "bool"},
    "auth": {
        "type": "dict",
        "options": {"username": {"type": "str"}, "secret": _SECRET, "secret_uuid": _SECRET},
    },
}

NETWORK_SOURCE = Composed(
    NETWORK,
    "",
    Codec(
        _parse_network,
        _decode_network,
        _encode_network,
        {"type": "dict", "options": NETWORK_OPTIONS},
    ),
    parts=(
        *("source/@protocol", "source/@name", "source/@tls"),
        *(f"{place}/{at}" for place in _PLACES for at in (f"@{_AUTH[0]}", *_AUTH[1:])),
    ),
    each={"source/host": _HOST},
)
NVME_SOURCE = Composed(
    NVME,
    "",
    Codec(_parse_nvme, _decode_nvme, _encode_nvme, {"type": "dict", "options": NVME_OPTIONS}),
    parts=(
        *("source/@type", "source/@managed", "source/@namespace"),
        *(f"source/address/@{part}" for part in ADDRESS),
    ),
)


# ---- what is asked of a source


def is_one_image(source: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two sources are ways to one image of a server."""
    both = NETWORK in source and NETWORK in other
    return both and bool(source == other or name_of(source) == name_of(other))


def settled(values: dict[Key, Value], stored: Values) -> None:
    """Fill in what is not said of a source: it stays, while the image is the same one."""
    for key in [key for key in values if key[-1] == UNION and key[0] in ("disks", "cdroms")]:
        source, now = values[key] or {}, stored.get(key) or {}
        if NETWORK in source:
            values[key] = {NETWORK: _settled(source[NETWORK], now.get(NETWORK))}
        elif NVME in source:
            managed = (now.get(NVME) or {}).get("managed", True)
            values[key] = {NVME: {**source[NVME], "managed": source[NVME].get("managed", managed)}}


def _settled(said: dict[str, Value], now: Mapping[str, Value] | None) -> dict[str, Value]:
    if now and all(said.get(at) == now.get(at) for at in ("protocol", "name")):
        said = {**said, "hosts": said.get("hosts", now.get("hosts", []))}
        if is_one_image({NETWORK: said}, {NETWORK: now}):
            said = {**now, **said}
    return {at: value for at, value in said.items() if value not in ([], {})}


def without_defaults(live: Values, stored: Values) -> None:
    """Take out of what runs what libvirt adds at a start: whether there is TLS, by its default."""
    for key in [key for key in live if key[-1] == UNION and NETWORK in (live[key] or {})]:
        said, runs = (stored.get(key) or {}).get(NETWORK), live[key][NETWORK]
        if said is not None and "tls" not in said and "tls" in runs:
            live[key] = {NETWORK: {at: value for at, value in runs.items() if at != "tls"}}


# ---- rules

# Those of which QEMU takes one server, and those whose way can be encrypted by TLS of its own.
_OF_ONE_HOST = ("nbd", "iscsi", "https", "http", "ftps", "ftp", "tftp", "ssh")
_WITH_TLS = ("nbd", "vxhs")


def check(at: Key, source: Mapping[str, Any], mistakes: Mistakes) -> None:
    """What QEMU has against a source on a server, as libvirt finds out at a start."""
    said = source.get(NETWORK)
    if not said:
        return
    protocol, hosts = said["protocol"], said.get("hosts", [])
    field = named((*at, NETWORK))
    if protocol in _OF_ONE_HOST and len(hosts) != 1:
        mistakes.add(f"{protocol} needs one of hosts, not {len(hosts)}", field)
    if not said.get("name") and protocol != "nbd":
        mistakes.add(f"{protocol} needs a name, that of the image", field)
    if said.get("tls") and protocol not in _WITH_TLS:
        mistakes.add(f"{protocol} has no tls that could be chosen; {_TLS}", field)
    if said.get("auth") and protocol not in USAGES:
        mistakes.add(f"{protocol} has no auth; libvirt has it for {' and '.join(USAGES)}", field)


_TLS = f"libvirt has it for {' and '.join(_WITH_TLS)}"


def lacks_secret(world: World, said: Mapping[str, Any]) -> str:
    """The secret that a source refers to and that there will not be, in words."""
    auth = said.get("auth")
    if not auth:
        return ""
    from ..together.secrets import lacks

    names = {"usage": auth.get("secret"), "uuid": auth.get("secret_uuid")}
    secret = Element("secret", {at: name for at, name in names.items() if name})
    return lacks(world, USAGES.get(said["protocol"], ""), secret)
