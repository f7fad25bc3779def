# SPDX-License-Identifier: GPL-3.0-or-later
"""Profiles: what a new VM gets where nothing is said, by the system that is to run in it.

They change nothing of a VM that is there. What each has for Windows is what libvirt's and QEMU's
documentation, and virt-install, have for it.
"""

from __future__ import annotations

from collections.abc import Mapping

from ...engine.codecs import Value
from ...engine.host import HostFacts
from ...engine.keys import ABSENT, PRESENT, UNION, Key, Values, is_within
from .platform import HYPERV, MODE, OFFSET, ZONE

NONE, WINDOWS_11, WINDOWS_SERVER = "none", "windows-11", "windows-server"

DRIVERS = ("cdroms", "virtio-win")
DRIVERS_ISO = "/usr/share/virtio-win/virtio-win.iso"  # where packages put it

_ENLIGHTENED = (
    *("relaxed", "vapic", "vpindex", "runtime", "synic", "stimer", "frequencies"),
    *("tlbflush", "ipi"),
)
_TIMERS: dict[str, dict[str, Value]] = {
    "rtc": {"tickpolicy": "catchup"},
    "pit": {"tickpolicy": "delay"},
    "hpet": {"present": False},
}


def completed(
    profile: str | None, values: Mapping[Key, Value], stored: Values, host: HostFacts
) -> dict[Key, Value]:
    """What is said, with what the profile brings to a new VM."""
    said = dict(values)
    if profile == NONE and not stored:
        return {("serial", "type"): "none", ("rng",): "none", **said}
    if profile not in (WINDOWS_11, WINDOWS_SERVER):
        return said
    if stored:  # the drive came with the VM, and is no less declared than the rest
        return {DRIVERS: PRESENT, **said} if DRIVERS in stored else said
    return _of_windows(profile, said, host)


def _of_windows(profile: str, said: dict[Key, Value], host: HostFacts) -> dict[Key, Value]:
    brought: dict[Key, Value] = {
        ("firmware",): "efi",
        ("graphics", "type"): "vnc",
        **_clock(said),
        **_devices(said, has_drivers=_has_drivers(host)),
    }
    virt_type = said.get(("virt_type",), "auto")
    if (host.best_virt_type if virt_type == "auto" else virt_type) == "kvm":
        brought.update(_enlightenments(said))
    if profile == WINDOWS_11:
        brought.update({("tpm", "model"): "tpm-crb", ("tpm", "version"): "2.0"})
        if said.get(("firmware",), "efi") == "efi":
            brought[("secure_boot",)] = True
    if said.get(("graphics", "type"), "vnc") != "none":
        brought[("video",)] = "vga"  # UEFI and Windows both have a driver for it
    if said.get(("tpm", "model")) == "none":
        brought.pop(("tpm", "version"), None)
    return {**brought, **said}


def _clock(said: Values) -> dict[Key, Value]:
    brought: dict[Key, Value] = {} if ZONE in said else {OFFSET: "localtime"}
    for name, options in _TIMERS.items():
        brought.update(_timer(name, options, said))
    return brought


def _timer(name: str, options: Mapping[str, Value], said: Values) -> dict[Key, Value]:
    at = ("timers", name)
    if said.get(at) is ABSENT:
        return {}
    return {at: PRESENT, **{(*at, option): value for option, value in options.items()}}


def _enlightenments(said: Values) -> dict[Key, Value]:
    if said.get(MODE, "custom") != "custom":
        return {}
    return {
        MODE: "custom",
        **{(*HYPERV, name): True for name in _ENLIGHTENED},
        (*HYPERV, "spinlocks"): 8191,
        **_timer("hypervclock", {"present": True}, said),
    }


def _has_drivers(host: HostFacts) -> bool:
    if not host.is_local:
        return False
    found = host.file(DRIVERS_ISO)
    return found is not None and found.type == "file"


def _devices(said: Values, has_drivers: bool) -> dict[Key, Value]:
    """Devices that Windows has a driver for, or those of virtio and a drive with theirs."""
    brought: dict[Key, Value] = {}
    if has_drivers:
        if not any(is_within(key, DRIVERS) for key in said):
            brought = {DRIVERS: PRESENT, (*DRIVERS, UNION): {"file": DRIVERS_ISO}}
        return brought
    usual = {"disks": ("bus", "sata"), "nics": ("model", "e1000e")}
    for key in [key for key in said if len(key) == 2 and key[0] in usual]:
        if said[key] is PRESENT:
            option, value = usual[key[0]]
            brought[(*key, option)] = value
    return brought
