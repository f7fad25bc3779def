# SPDX-License-Identifier: GPL-3.0-or-later
"""Reservations of DHCP: by MAC or DUID, or by host name alone, as libvirt has them.

Who has a MAC (with IPv6: a DUID) is known by it, in whatever letters; who has none, by the name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ...engine.codecs import Codec, mac, text
from ...engine.errors import Mistakes
from ...engine.fields import Composed, Field, Items
from ...engine.xmltree import Element

HOST_NAME = text(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,252})", "a host name")
_DUID = text(r"[0-9A-Fa-f]{1,2}(:[0-9A-Fa-f]{1,2})+", "a DUID, bytes in hexadecimal with colons")

Item = Mapping[str, Any]


@dataclass(frozen=True)
class Identity:
    """What a client of DHCP is known by: the attribute in libvirt's XML, and option, of an address
    on its network card or of the client's own."""

    attribute: str
    codec: Codec

    def of(self, host: Element) -> str | None:
        """The name by which a reservation is known."""
        found = host.get(self.attribute)
        return _canonical(found) if found else (host.get("name") or "").lower() or None

    def new(self, name: str) -> Element:
        """A reservation that is known by this name."""
        return Element("host", {self.attribute if ":" in name else "name": name})

    def parse(self, given: Any) -> str:
        """What a user wrote to tell whose address it is."""
        said = str(given)
        return str(self.codec.parse(said)) if ":" in said else HOST_NAME.parse(said).lower()


def _canonical(found: str | None) -> str:
    """A MAC or DUID in small letters with two digits a byte; libvirt keeps it as it was written."""
    return ":".join(part.rjust(2, "0") for part in (found or "").lower().split(":"))


MAC = Identity("mac", mac())
DUID = Identity(
    "id", Codec(lambda given: _canonical(_DUID.parse(given)), _canonical, lambda value: value)
)


# ---- how long a client has an address

FOR_EVER, BY_DEFAULT = 0, -1
SHORTEST_S = 120  # of dnsmasq, which libvirt holds to (virNetworkDHCPLeaseTimeDefParseXML)
_UNITS = {"seconds": 1, "minutes": 60, "hours": 3600}


def _lease_time(given: Any) -> int:
    seconds = int(given)
    if seconds not in (FOR_EVER, BY_DEFAULT) and not SHORTEST_S <= seconds < 2**32:
        raise ValueError(
            f"{seconds} is no time of a lease; write {SHORTEST_S} seconds or more, 0 for ever, or "
            "-1 for dnsmasq's own"
        )
    return seconds


def _lease_in(found: str | None) -> int:
    said = json.loads(found or "{}")
    if "@expiry" not in said:
        return BY_DEFAULT
    return int(said["@expiry"]) * _UNITS.get(said.get("@unit", ""), 60)  # minutes by default


def _lease_text(value: Any) -> str | None:
    if value in (None, BY_DEFAULT):
        return None
    unit = {"@unit": "seconds"} if value != FOR_EVER else {}  # of which libvirt keeps none
    return json.dumps({"@expiry": str(value), **unit})


LEASE = Composed(
    "lease_s",
    "lease!",
    Codec(_lease_time, _lease_in, _lease_text, {"type": "int"}),
    parts=("@expiry", "@unit"),
)


def reservations(identity: Identity, address: Codec) -> Items:
    """The row of the reservations of one family of addresses."""
    key = Codec(identity.parse, lambda found: found, lambda value: value)
    rows = (Field("ip", "@ip", address), Field("name", "@name", HOST_NAME), LEASE)
    return Items(
        "hosts", "dhcp/host", rows, identity.of, identity.new, key=(identity.attribute, key)
    )


# ---- what a user writes


def spec_of(spec: Mapping[str, Any], identity: Identity) -> dict[str, Any]:
    """The argument spec of a reservation, of which no option is needed by itself."""
    options = {**spec["options"], identity.attribute: {"type": "str"}}
    if identity is MAC:
        options.update(vm={"type": "str"}, nic={"type": "str"})
    return {**spec, "options": options}


def named(items: Any, identity: Identity, field: str, mistakes: Mistakes) -> Iterator[Item]:
    """Reservations with what they are known by under the option of that; those of a VM's NIC, whose
    MAC has to be found out first, aside."""
    for item in items or ():
        wrong = _wrong(item, identity)
        if wrong:
            mistakes.add(wrong, field)
        elif not item.get("vm"):
            yield {**item, identity.attribute: item.get(identity.attribute) or item["name"]}


def _wrong(item: Item, identity: Identity) -> str:
    by_nic = [item.get(option) for option in ("vm", "nic")]
    if any(by_nic) and not all(by_nic):
        return "needs vm and nic together, or neither"
    if all(by_nic) and item.get(identity.attribute):
        return f"has vm and nic and {identity.attribute}; keep one way to say whose it is"
    said = str(item.get(identity.attribute) or "")
    if said and ":" not in said:
        return f"{said!r} has no colons, so it is no {identity.attribute}; a name goes under name"
    if not any((*by_nic, item.get(identity.attribute), item.get("name"))):
        ways = "mac, vm and nic, or name" if identity is MAC else "id or name"
        return f"does not say whose address {item.get('ip')} is; write {ways}"
    return ""


def option_of(name: str, identity: Identity) -> str:
    """The option under which the name of a reservation is written."""
    return identity.attribute if re.search(":", name) else "name"
