# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of a VM's NICs, of which vswitches have to know too; and how devices are called.

A part of the table, see table.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ...engine import xmltree
from ...engine.codecs import Codec, boolean, choice, integer, mac, pairs, size, text
from ...engine.fields import Composed, Field, Items, Mapped, Variant
from ...engine.keys import UNION
from ...engine.vlans import NAMES, VLAN_ROWS
from ...engine.xmltree import Element
from .live import Applier

NAME = text(
    r"[A-Za-z0-9_-]+", "a name of letters, digits, - and _ (libvirt allows no others in an alias)"
)


def _nic_name(given: object) -> str:
    """A name; or the MAC address of a NIC that others made, with a number where several have it."""
    if ":" not in str(given):
        return str(NAME.parse(given))
    address, *number = re.split(r"(#\d+)$", str(given))
    return str(mac().parse(address)) + "".join(number)


NIC_NAME = replace(NAME, parse=_nic_name)
KIB_PER_S = size(1024, unset="0B")
BOOT_ORDER = integer(minimum=0, unset=0)


FILTER = text(r"[^/\s]+", "the name of a network filter")


def _parameter(given: object) -> str:
    """The name of a filter's parameter."""
    name = str(given)
    if not re.fullmatch(r"[A-Za-z0-9_]+", name):
        raise ValueError(f"{name!r} is not the name of a parameter of a filter, such as IP")
    return name


_VALUE = text(r"[A-Za-z0-9_.:-]+", "a value of a filter's parameter")


def _parameter_value(given: object) -> str:
    if given == "":
        raise ValueError("is empty; leave the parameter out")
    return str(_VALUE.parse(given))


PARAMETERS = pairs(_parameter, replace(_VALUE, parse=_parameter_value))


def alias_or(path: str, prefix: str) -> Callable[[Element], str | None]:
    """Name a device by our alias, or by what stands at the path where somebody else made it."""

    def name_of(device: Element) -> str | None:
        alias = xmltree.get(device, "alias/@name") or ""
        return alias[len(prefix) :] if alias.startswith(prefix) else xmltree.get(device, path)

    return name_of


def _new_nic(name: str) -> Element:
    nic = xmltree.parse('<interface type="network"/>')
    xmltree.put(nic, "alias/@name", f"ua-nic-{name}")
    return nic


MACVTAP, BRIDGED = "direct", "bridge"
MODES = (BRIDGED, "private", "vepa", "passthrough")
DEVICE = text(r"[^/\s]{1,15}", "the name of an interface of the host")


def _parse_macvtap(given: Any) -> dict[str, str]:
    """An interface of the host, and how NICs on it reach each other."""
    said = given if isinstance(given, dict) else {}
    made = {"dev": DEVICE.parse(said.get("dev") or "")}
    if not made["dev"]:
        raise ValueError("needs dev, the name of an interface of the host")
    return {**made, "mode": choice(*MODES).parse(said["mode"])} if said.get("mode") else made


def _decode_macvtap(found: str | None) -> dict[str, str]:
    said = json.loads(found or "{}")
    return {"dev": said.get("@dev", ""), "mode": said.get("@mode", "vepa")}


def _encode_macvtap(value: Any) -> str | None:
    said = {"@dev": value["dev"], "@mode": value.get("mode", BRIDGED)} if value else None
    return json.dumps(said) if said else None


_OPTIONS = {
    "dev": {"type": "str", "required": True},
    "mode": {"type": "str", "choices": list(MODES)},
}
_OF_MACVTAP = Codec(
    _parse_macvtap, _decode_macvtap, _encode_macvtap, {"type": "dict", "options": _OPTIONS}
)

_NUMBER = integer(0, 256, unset=0)


def _queues(given: Any) -> int:
    """There always is one, and libvirt keeps no number that says so (virDomainNetDefParseXML)."""
    number = int(_NUMBER.parse(given))
    return 0 if number == 1 else number


QUEUES = replace(_NUMBER, parse=_queues)

NIC_ROWS: tuple[Field | Variant, ...] = (
    Variant(
        UNION,
        "@type",
        {
            "network": (Field("vswitch", "source/@network"),),
            "bridge": (Field("bridge", "source/@bridge"),),
            "direct": (Composed(MACVTAP, "source", _OF_MACVTAP, parts=("@dev", "@mode")),),
        },
        Applier.NIC,
    ),
    Field("port_group", "source/@portgroup", text(), Applier.NIC),
    *(replace(row, applier=Applier.PORT if row.name in NAMES else None) for row in VLAN_ROWS),
    Field("mac", "mac/@address", mac()),
    Field("model", "model/@type", choice("virtio", "e1000e", "e1000", "rtl8139", "igb")),
    Field("mtu", "mtu/@size", integer(68, 65521)),  # what a tap takes
    Field("link", "link/@state", choice("down", unset="up"), Applier.NIC),
    Field("isolated", "port!/@isolated", boolean(unset=False), Applier.NIC),
    Field("boot_order", "boot/@order", BOOT_ORDER),
    Field("driver", "driver/@name", choice("vhost", "qemu", unset="default")),
    Field("queues", "driver/@queues", QUEUES),
    Field("filter.name", "filterref!/@filter", FILTER, Applier.NIC),
    Mapped("filter.parameters", "filterref/parameter", PARAMETERS, Applier.NIC),
    Field("bandwidth.inbound.average", "bandwidth/inbound/@average", KIB_PER_S, Applier.NIC),
    Field("bandwidth.inbound.peak", "bandwidth/inbound/@peak", KIB_PER_S, Applier.NIC),
    Field("bandwidth.inbound.burst", "bandwidth/inbound/@burst", KIB_PER_S, Applier.NIC),
    Field("bandwidth.outbound.average", "bandwidth/outbound/@average", KIB_PER_S, Applier.NIC),
    Field("bandwidth.outbound.peak", "bandwidth/outbound/@peak", KIB_PER_S, Applier.NIC),
    Field("bandwidth.outbound.burst", "bandwidth/outbound/@burst", KIB_PER_S, Applier.NIC),
)

NICS = Items(
    "nics",
    "devices/interface",
    NIC_ROWS,
    alias_or("mac/@address", "ua-nic-"),
    _new_nic,
    ("name", NIC_NAME),
    Applier.DEVICE,
)
