# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of what a VM's board is like: clock, features, Hyper-V, SMBIOS, what its firmware asks.

A part of the table, see table.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ...engine.codecs import boolean, choice, integer, partly_hiding, presence, text, words
from ...engine.fields import Field, Items, Listed, Rows
from ...engine.xmltree import Element

SWITCH = boolean("on", "off")


def _named(tag: str) -> Callable[[str], Element]:
    def new(name: str) -> Element:
        return Element(tag, {"name": name})

    return new


# ---- the clock

TIMERS = Items(
    "timers",
    "clock/timer",
    (
        Field("present", "@present", boolean()),
        Field("tickpolicy", "@tickpolicy", choice("delay", "catchup", "merge", "discard")),
        Field("frequency_hz", "@frequency", integer(1)),
    ),
    lambda timer: timer.get("name"),
    _named("timer"),
    ("name", choice("rtc", "pit", "hpet", "kvmclock", "hypervclock", "tsc")),
)
_ZONE = text(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*", "a time zone such as Europe/Berlin")
CLOCK_ROWS: Rows = (
    Field("clock", "clock/@offset", choice("utc", "localtime", "timezone")),
    Field("timezone", "clock/@timezone", _ZONE),
    TIMERS,
)

# ---- what it boots from, and how its firmware behaves


_KINDS = words("hd", "cdrom", "network", "fd")


def _boot_devices(given: Any) -> list[str]:
    """Kinds of devices; the hard disk alone is what libvirt says by itself where none is said."""
    said: list[str] = _KINDS.parse(given)
    return [] if said == ["hd"] else said


def _boot_devices_in(found: str | None) -> list[str]:
    said: list[str] = _KINDS.decode(found)
    return [] if said == ["hd"] else said


BOOT_DEVICES = replace(_KINDS, parse=_boot_devices, decode=_boot_devices_in)
BOOT_ROWS: Rows = (
    Listed("boot.devices", "os/boot", BOOT_DEVICES, of="dev"),
    Field("boot.menu.enabled", "os/bootmenu/@enable", boolean()),
    Field("boot.menu.timeout_ms", "os/bootmenu/@timeout", integer(0, 65535, unset=0)),
    Field("boot.bios.useserial", "os/bios/@useserial", boolean()),
    Field("boot.bios.reboot_timeout_ms", "os/bios/@rebootTimeout", integer(-1, 65535)),
)

# ---- features

KVM = ("hidden", "hint_dedicated", "poll_control", "pv_ipi")
HYPERV = (
    *("relaxed", "vapic", "vpindex", "runtime", "synic", "stimer", "reset", "frequencies"),
    *("reenlightenment", "tlbflush", "ipi", "evmcs"),
)
HYPERV_AT = "features/hyperv"
SPINLOCKS = integer(minimum=0, maximum=2**31 - 1, unset=0)
VENDOR_ID = text(r"[^,]{1,12}", "a vendor's name of up to 12 characters without a comma")


FEATURE_ROWS: Rows = (
    *(Field(f"features.{name}", f"features/{name}!", presence()) for name in ("acpi", "apic")),
    Field("features.ioapic", "features/ioapic/@driver", choice("kvm", "qemu")),
    Field("features.pae", "features/pae", presence()),
    *(
        Field(f"features.{name}", f"features/{name}/@state", SWITCH)
        for name in ("hap", "smm", "vmport", "pvspinlock", "pmu", "vmcoreinfo")
    ),
    *(
        Field(f"features.kvm.{name}", f"features/kvm/{name.replace('_', '-')}/@state", SWITCH)
        for name in KVM
    ),
    Field(
        "features.hyperv.mode", f"{HYPERV_AT}!/@mode", choice("custom", "passthrough", unset="none")
    ),
    *(Field(f"features.hyperv.{name}", f"{HYPERV_AT}/{name}/@state", SWITCH) for name in HYPERV),
    Field("features.hyperv.stimer_direct", f"{HYPERV_AT}/stimer/direct/@state", SWITCH),
    Field("features.hyperv.spinlocks", f"{HYPERV_AT}/spinlocks!/@retries", SPINLOCKS),
    Field("features.hyperv.vendor_id", f"{HYPERV_AT}/vendor_id!/@value", VENDOR_ID),
)

# ---- SMBIOS

SYSINFO = "sysinfo[@type='smbios']"


def _swap_in_words(line: str, swap: Callable[[str], str]) -> str:
    """A guest may be set up by such a line: `ds=nocloud;s=https://me:word@host/`."""
    from ...engine.secret_words import swap_in_words

    return swap_in_words(line, swap)


_LINE = partly_hiding(_swap_in_words, text(r"[^\r\n]*", "a text on one line"))
_DATE = text(r"\d\d/\d\d/(\d\d)?\d\d", "a date as SMBIOS has it, MM/DD/YYYY")
_RELEASE = text(r"\d{1,3}\.\d{1,3}", "a release such as 1.2")
_ANY_UUID = text(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", "a UUID")


def _uuid(given: object) -> str:
    """A UUID in the letters in which libvirt writes it."""
    return str(_ANY_UUID.parse(given)).lower()


_UUID = replace(_ANY_UUID, parse=_uuid, decode=lambda found: (found or "").lower())
_ENTRIES: dict[str, tuple[str, ...]] = {
    "bios": ("vendor", "version", "date", "release"),
    "system": ("manufacturer", "product", "version", "serial", "uuid", "sku", "family"),
    "base_board": ("manufacturer", "product", "version", "serial", "asset", "location"),
    "chassis": ("manufacturer", "version", "serial", "asset", "sku"),
}
_CODECS = {"date": _DATE, "release": _RELEASE, "uuid": _UUID}
_TAGS = {"base_board": "baseBoard"}


def _entry(section: str, name: str) -> Field:
    at = f"{SYSINFO}/{_TAGS.get(section, section)}/entry[@name='{name}']"
    return Field(f"smbios.{section}.{name}", at, _CODECS.get(name, _LINE))


SMBIOS_ROWS: Rows = (
    Field("smbios.mode", "os/smbios/@mode", choice("host", "sysinfo", unset="emulate")),
    *(_entry(section, name) for section, names in _ENTRIES.items() for name in names),
)

# ---- the emulator

# Where packages put the one that libvirt finds by itself.
_USUAL_EMULATOR = re.compile(r"/usr/bin/qemu-system-\w+|/usr/(bin|libexec)/qemu-kvm|/usr/bin/kvm")
_PATH = text(r"/.+", "an absolute path")


def _emulator(given: object) -> str:
    """A path; none is the one that libvirt finds by itself."""
    return _emulator_in(str(_PATH.parse(given)))


def _emulator_in(found: str | None) -> str:
    return "" if _USUAL_EMULATOR.fullmatch(found or "") else found or ""


EMULATOR = replace(_PATH, parse=_emulator, decode=_emulator_in)
EMULATOR_ROW = Field("emulator", "devices/emulator", EMULATOR)
