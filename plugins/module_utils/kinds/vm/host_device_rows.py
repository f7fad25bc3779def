# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of devices of the host that a VM has: PCI, USB, mediated ones.

A part of the table, see table.py. Those of others are called by what they are, as libvirt calls
node devices: `pci_0000_03_00_0`, `usb_046d_0825`, `mdev_...`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from ...engine.codecs import Codec, Value, boolean, choice, text
from ...engine.fields import Composed, Field, Items, Variant
from ...engine.keys import UNION, Key
from ...engine.xmltree import Element
from .device_names import DEVICE_NAME, new_device, own_name
from .live import Applier
from .nic_rows import BOOT_ORDER

PCI, USB, MDEV = "pci", "usb", "mdev"
TYPES = (PCI, USB, MDEV)
_PCI_PARTS = ("@domain", "@bus", "@slot", "@function")
_USB_PARTS = ("vendor/@id", "product/@id", "address/@bus", "address/@device")


def _of_parts(
    parse: Callable[[str], str],
    decode: Callable[[Mapping[str, str]], str],
    encode: Callable[[str], dict[str, str]],
) -> Codec:
    """A text that stands in parts; what others wrote in them that is no number says nothing."""

    def found(said: str | None) -> str:
        try:
            return decode(json.loads(said or "{}"))
        except (KeyError, ValueError):
            return ""

    return Codec(
        lambda given: parse(str(given).strip()) if given != "" else "",
        found,
        lambda value: json.dumps(encode(value)) if value else None,
    )


# ---- PCI

_PCI = re.compile(
    r"(?:pci_)?(?:([0-9a-f]{1,4})[:_])?([0-9a-f]{1,2})[:_]([0-9a-f]{1,2})[._]([0-7])", re.I
)


def _pci_of(given: str) -> str:
    found = _PCI.fullmatch(given)
    if found is None or int(found[3], 16) > 0x1F:
        raise ValueError(
            f"{given!r} is no PCI address; write one as lspci -D shows it, in quotes, since YAML "
            "takes some for numbers: '0000:03:00.0'"
        )
    domain, bus, slot, function = (int(part or "0", 16) for part in found.groups())
    return f"{domain:04x}:{bus:02x}:{slot:02x}.{function:x}"


def _pci_in(said: Mapping[str, str]) -> str:
    domain, bus, slot, function = (int(said.get(part, "0"), 0) for part in _PCI_PARTS)
    return f"{domain:04x}:{bus:02x}:{slot:02x}.{function:x}" if said else ""


def _pci_parts(value: str) -> dict[str, str]:
    return dict(zip(_PCI_PARTS, (f"0x{part}" for part in re.split("[:.]", value))))


# ---- USB

_USB = re.compile(
    r"(?:(?:0x)?([0-9a-f]{4}):(?:0x)?([0-9a-f]{4}))?"
    r"(?:(?:^|@)(?:/dev/bus/usb/)?(\d{1,3})/(\d{1,3}))?",
    re.I,
)


def _usb_of(given: str) -> str:
    found = _USB.fullmatch(given)
    if not given or given[0] == "@" or found is None:
        raise ValueError(
            f"{given!r} is no USB device; write vendor:product as lsusb shows them ('046d:0825'), "
            "bus/device ('1/4'), or both ('046d:0825@1/4')"
        )
    vendor, product, bus, device = found.groups()
    said = {"vendor/@id": f"0x{vendor}", "product/@id": f"0x{product}"} if vendor else {}
    return _usb_in({**said, **({"address/@bus": bus, "address/@device": device} if bus else {})})


def _usb_in(said: Mapping[str, str]) -> str:
    numbers = {part: _number(text) for part, text in said.items()}
    model = place = ""
    if "vendor/@id" in said:
        model = "{:04x}:{:04x}".format(*(numbers[part] for part in _USB_PARTS[:2]))
    if "address/@bus" in said:
        place = "{}/{}".format(*(numbers[part] for part in _USB_PARTS[2:]))
    return "@".join(filter(None, (model, place)))


def _number(said: str) -> int:
    """As libvirt reads it: hexadecimal by its 0x, and a number with zeros before it as one."""
    return int(said, 16) if said.lower().startswith("0x") else int(said)


def _usb_parts(value: str) -> dict[str, str]:
    model, place = model_and_place(value)
    said = dict(zip(_USB_PARTS[:2], (f"0x{part}" for part in model.split(":") if part)))
    return {**said, **dict(zip(_USB_PARTS[2:], (part for part in place.split("/") if part)))}


def model_and_place(usb: str) -> tuple[str, str]:
    """What is said of a USB device: vendor and product, and bus and device; either may be empty."""
    model, _at, place = usb.rpartition("@") if "@" in usb else (usb, "", "")
    return ("", usb) if "/" in model else (model, place)


# ---- mediated

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def _mdev_of(given: Any) -> str:
    if given != "" and not _UUID.fullmatch(str(given)):
        raise ValueError(f"{given!r} is no UUID")
    return str(given).lower()


# ---- the rows

_PATH = text(r"/.+", "an absolute path")
_ON = boolean("on", "off")

PCI_ADDRESS = _of_parts(_pci_of, _pci_in, _pci_parts)
USB_DEVICE = _of_parts(_usb_of, _usb_in, _usb_parts)
MDEV_UUID = Codec(_mdev_of, lambda found: (found or "").lower(), lambda value: value or None)
WHICH: dict[str, Field] = {
    PCI: Composed(PCI, "source/address", PCI_ADDRESS, parts=_PCI_PARTS),
    USB: Composed(USB, "source", USB_DEVICE, parts=_USB_PARTS),
    MDEV: Field(MDEV, "source/address/@uuid", MDEV_UUID),
}

ROWS = (
    Variant(UNION, "@type", {kind: (field,) for kind, field in WHICH.items()}),
    Field("managed", "@managed", boolean(unset=False)),
    Field("boot_order", "boot/@order", BOOT_ORDER),
    Field("rom.enabled", "rom/@enabled", boolean()),
    Field("rom.bar", "rom/@bar", _ON),
    Field("rom.file", "rom/@file", _PATH),
    Field(
        "startup_policy",
        "source/@startupPolicy",
        choice("mandatory", "requisite", "optional"),
    ),
    Field("model", "@model", choice("vfio-pci", "vfio-ccw", "vfio-ap")),
    Field("display", "@display", _ON),
    Field("ramfb", "@ramfb", _ON),
)
# Which of them are of one type of device only.
OF_TYPE: dict[str, tuple[Key, ...]] = {
    PCI: (("rom", "enabled"), ("rom", "bar"), ("rom", "file")),
    USB: (("startup_policy",),),
    MDEV: (("model",), ("display",), ("ramfb",)),
}


def what_it_is(device: Element) -> str | None:
    """The name of a device that others made; of a USB device its model, which stays."""
    kind = device.get("type", "")
    if device.get("mode") != "subsystem" or kind not in TYPES:
        return None
    value = value_of(device)
    model, place = model_and_place(value) if kind == USB else (value, "")
    said = model or (f"at_{place}" if place else "")
    return f"{kind}_{re.sub('[^A-Za-z0-9]', '_', said)}" if said else None


def value_of(device: Element) -> str:
    """What a device of one of our types is known by: its address, model or UUID."""
    row = WHICH[device.get("type", "")]
    return str(row.codec.decode(row.found_in(device)))


HOST_DEVICES = Items(
    "host_devices",
    "devices/hostdev",
    ROWS,
    lambda device: own_name(device, "ua-hostdev-") or what_it_is(device),
    new_device('<hostdev mode="subsystem"/>', "ua-hostdev-"),
    ("name", DEVICE_NAME),
    Applier.DEVICE,
)


def type_of(which: Mapping[str, Value]) -> str:
    """Of which type the device is that a value names."""
    return next(iter(which))


def see_through_places(values: dict[Key, Value], stored: Mapping[Key, Value]) -> None:
    """libvirt notes of what runs where it found a USB device, which nobody has asked for."""
    for key, has in stored.items():
        if key[0] == HOST_DEVICES.name and key[-1] == UNION and USB in has and key in values:
            runs = str(values[key].get(USB, ""))
            if "@" not in has[USB] and model_and_place(runs)[0] == has[USB]:
                values[key] = has
