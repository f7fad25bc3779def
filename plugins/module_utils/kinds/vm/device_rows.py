# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of a VM's smaller devices: random numbers, inputs, sound, panic, vsock.

A part of the table, see table.py. A device of ours is known by its alias. Of those that others
made each is known by what it is, `tablet-usb`; an RNG of others is that of the option `rng`.
"""

from __future__ import annotations

import json
from typing import Any

from ...engine.codecs import Codec, Value, boolean, choice, integer, text
from ...engine.fields import Composed, Field, Items, Row
from ...engine.xmltree import Element
from .device_names import DEVICE_NAME, new_device, own_name
from .host_device_rows import HOST_DEVICES
from .lease_rows import LEASES
from .live import Applier
from .port_rows import CONSOLES, SERIALS
from .screen_rows import DISPLAYS, VIDEOS
from .shared_folder_rows import SHARED_FOLDERS

PATH = text(r"/.*", "an absolute path")
MODEL_OF_RNG, URANDOM = "virtio", "/dev/urandom"

RNGS = Items(
    "rngs",
    "devices/rng",
    (
        Field("path", "backend", PATH),
        Field("rate.bytes", "rate/@bytes", integer(0, 2**31 - 1, unset=0)),
        Field("rate.period_ms", "rate/@period", integer(0, 2**31 - 1, unset=0)),
    ),
    lambda rng: own_name(rng, "ua-rng-"),
    new_device(f'<rng model="{MODEL_OF_RNG}"><backend model="random"/></rng>', "ua-rng-"),
    ("name", DEVICE_NAME),
    Applier.DEVICE,
)

INPUT_TYPES, INPUT_BUSES = ("tablet", "keyboard", "mouse"), ("usb", "virtio")


def _input_name(device: Element) -> str | None:
    """Those that libvirt adds to a screen, of PS/2, are nobody's."""
    kind, bus = device.get("type"), device.get("bus")
    is_known = kind in INPUT_TYPES and bus in INPUT_BUSES
    return own_name(device, "ua-input-") or (f"{kind}-{bus}" if is_known else None)


INPUTS = Items(
    "inputs",
    "devices/input",
    (
        Field("type", "@type", choice(*INPUT_TYPES)),
        Field("bus", "@bus", choice(*INPUT_BUSES)),
    ),
    _input_name,
    new_device("<input/>", "ua-input-"),
    ("name", DEVICE_NAME),
    Applier.DEVICE,
)

AUTO, LOWEST_CID, HIGHEST_CID = "auto", 3, 2**32 - 2


def _context_id() -> Codec:
    """The number by which a guest is known on vsock; `auto` has libvirt choose one at each start.

    In the XML it is two attributes.
    """

    def parse(given: Any) -> str:
        if given in (AUTO, "none"):
            return str(given)
        number = int(given)
        if not LOWEST_CID <= number <= HIGHEST_CID:
            raise ValueError(
                f"{number} is no number of a guest; write {LOWEST_CID} to {HIGHEST_CID}, auto or "
                "none"
            )
        return str(number)

    def decode(found: str | None) -> Value:
        said = json.loads(found or "{}")
        if said.get("cid/@auto") == "yes":
            return AUTO
        return said.get("cid/@address", "none")

    def encode(value: Value) -> str | None:
        if value in (None, "none"):
            return None
        said = {"cid/@auto": "yes"} if value == AUTO else {"cid/@auto": "no", "cid/@address": value}
        return json.dumps(said)

    return Codec(parse, decode, encode)


CARDS = ("ich9", "ich7", "ich6", "ac97", "es1370", "sb16", "pcspk", "usb", "virtio")
PANICS = ("isa", "pvpanic", "hyperv", "pseries", "s390")

# As this libvirt and newer ones call them; which of them it has, libvirt judges.
IOMMU, IOMMUS = "devices/iommu", ("intel", "amd", "virtio", "smmuv3")

SINGLE: tuple[Row, ...] = (
    Field("sound", "devices/sound!/@model", choice(*CARDS, unset="none")),
    Field("panic", "devices/panic!/@model", choice(*PANICS, unset="none")),
    Field("iommu.model", f"{IOMMU}!/@model", choice(*IOMMUS, unset="none")),
    *(
        Field(f"iommu.{name}", f"{IOMMU}/driver/@{name}", boolean("on", "off"))
        for name in ("intremap", "caching_mode", "eim", "iotlb")
    ),
    Field("iommu.aw_bits", f"{IOMMU}/driver/@aw_bits", integer(32, 64)),
    Composed(
        "vsock.cid",
        "devices/vsock!",
        _context_id(),
        parts=("cid/@auto", "cid/@address"),
    ),
)


def place(row: Field) -> str:
    """Where the device is of which a single option is one."""
    return "/".join(row.path.split("/")[:2]).replace("!", "")


# Those that come and go, each known by its name.
LISTS = (RNGS, INPUTS, HOST_DEVICES, SHARED_FOLDERS)
EVERY = (*LISTS, LEASES, SERIALS, CONSOLES, DISPLAYS, VIDEOS)
ROWS: tuple[Row, ...] = (*SINGLE, *EVERY)
