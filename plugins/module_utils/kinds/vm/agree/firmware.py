# SPDX-License-Identifier: GPL-3.0-or-later
"""Firmware and boot order: what libvirt chose for one firmware does not go with another."""

from __future__ import annotations

from ....engine import xmltree
from ....engine.accounting import Consequence
from ....engine.codecs import Value
from ....engine.xmltree import Element
from .base import Changed, drop, touched

_ON_FIRMWARE = ("firmware", "secure_boot")


def _names(said: list[Value]) -> Value:
    return [boot.get("dev") for boot in said]


CONSEQUENCES = (
    Consequence(
        "boot.devices",
        ("os/boot",),
        ("disks", "cdroms", "nics", "host_devices"),
        "libvirt refuses it beside a boot order of single devices",
        told=_names,
    ),
    Consequence(
        "firmware_file",
        ("os/loader",),
        _ON_FIRMWARE,
        "the one of the former firmware; libvirt chooses anew",
    ),
    Consequence(
        "nvram",
        ("os/nvram",),
        _ON_FIRMWARE,
        "the file of firmware variables stays on the host as it is, and is no longer this VM's; an "
        "EFI firmware starts with the file at libvirt's usual place (qemu/nvram/NAME_VARS.fd) if "
        "there is one, else with new variables; virsh start --reset-nvram makes them new too",
    ),
    Consequence("firmware_choice", ("os/@firmware",), _ON_FIRMWARE, "", silent=True),
    Consequence("firmware_features", ("os/firmware",), _ON_FIRMWARE, "goes with the firmware"),
)


def agree(domain: Element, changed: Changed) -> None:
    """Make the rest of the firmware and the boot order go with what changed of it."""
    if touched(changed, *_ON_FIRMWARE):
        _agree_firmware(domain, xmltree.ensure(domain, "os"), changed)
    if (
        any(key[-1] == "boot_order" for key in changed)
        and domain.find("devices/*/boot") is not None
    ):
        drop(domain, "os/boot")


def _agree_firmware(domain: Element, system: Element, changed: Changed) -> None:
    drop(system, "loader", "nvram")  # chosen for the former firmware
    if system.get("firmware") is None:
        drop(system, "firmware")
        return
    if touched(changed, "secure_boot"):  # keys go with secure boot, and without it libvirt refuses
        drop(system, "firmware/feature[@name='enrolled-keys']")
    if xmltree.get(system, "firmware/feature[@name='secure-boot']/@enabled") == "yes":
        xmltree.put(domain, "features/smm/@state", "on")
