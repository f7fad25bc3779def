# SPDX-License-Identifier: GPL-3.0-or-later
"""What disks stand on that is no file and no device of a path: servers, and NVMe by its address.

A part of the table, see table.py. Each is one option whose value is a dictionary. That of a server
has no word of a password: libvirt's secrets are referred to by their usage or UUID.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ...engine.codecs import Codec, Value
from ...engine.errors import Mistakes
from ...engine.fields import Composed
from ...engine.keys import UNION, Key, Values, named
from ...engine.world import World
from ...engine.xmltree import Element
from ..images.servers import (
    ADDRESS,
    AUTH,
    HOST,
    NETWORK,
    NVME,
    PLACES,
    PROTOCOLS,
    TRANSPORTS,
    USAGES,
    name_of,
)
from ..storage_volume.table import ENCRYPTION, encrypted_by, secret_element

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


def _source(source: str, options: Mapping[str, Any]) -> Codec:
    """That of source_codecs.py, which is imported where there is such a source."""

    def parse(given: Any) -> Value:
        from .source_codecs import CODECS

        return CODECS[source].parse(given)

    def decode(found: str | None) -> Value:
        from .source_codecs import CODECS

        return CODECS[source].decode(found)

    def encode(value: Value) -> str | None:
        if not value:
            return None
        from .source_codecs import CODECS

        return CODECS[source].encode(value)

    return Codec(parse, decode, encode, {"type": "dict", "options": dict(options)})


NETWORK_SOURCE = Composed(
    NETWORK,
    "",
    _source(NETWORK, NETWORK_OPTIONS),
    parts=(
        *("source/@protocol", "source/@name", "source/@tls"),
        *(f"{place}/{at}" for place in PLACES for at in (f"@{AUTH[0]}", *AUTH[1:])),
    ),
    each={"source/host": HOST},
)
NVME_SOURCE = Composed(
    NVME,
    "",
    _source(NVME, NVME_OPTIONS),
    parts=(
        *("source/@type", "source/@managed", "source/@namespace"),
        *(f"source/address/@{part}" for part in ADDRESS),
    ),
)


def _encryption() -> Codec:
    """The secret by which a disk is encrypted (LUKS); None of one that is not.

    libvirt keeps it in the source or beside it, where it found it; an edit puts it into the source.
    """

    def decode(found: str | None) -> Value:
        said = json.loads(found or "{}")
        for place in _ENCRYPTIONS:
            if said.get(f"{place}/@format") == "luks":
                known = {
                    "secret": said.get(f"{place}/secret/@usage"),
                    "secret_uuid": said.get(f"{place}/secret/@uuid", "").lower(),
                }
                return {name: text for name, text in known.items() if text} or None
        return None

    def encode(value: Value) -> str | None:
        if not value:
            return None
        place, known = _ENCRYPTIONS[0], secret_element(value).attrib
        parts = {f"{place}/secret/@{name}": text for name, text in known.items()}
        return json.dumps({f"{place}/@format": "luks", **parts})

    return Codec(encrypted_by, decode, encode, ENCRYPTION)


_ENCRYPTIONS = ("source/encryption", "encryption")
DISK_ENCRYPTION = Composed(
    "encryption",
    "",
    _encryption(),
    parts=tuple(
        f"{place}/{part}"
        for place in _ENCRYPTIONS
        for part in ("@format", "@engine", "secret/@type", "secret/@usage", "secret/@uuid")
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
