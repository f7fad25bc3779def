# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine: PCI controllers and addresses are those of its chipset."""

from __future__ import annotations

from ....engine.accounting import Consequence
from ....engine.codecs import Value
from ....engine.xmltree import Element
from .base import Changed, drop, touched

_ON_MACHINE = ("machine",)
# What each chipset has on its board, or needs to have anything plugged in.
ITCO = "devices/watchdog[@model='itco']"
_CONTROLLERS = ("pci", "ide", "sata", "fdc", "isa")


def _places(said: list[Value]) -> Value:
    parts = ("domain", "bus", "slot", "function")
    return ["{}:{}:{}.{}".format(*(one.get(part, "0x0")[2:] for part in parts)) for one in said]


CONSEQUENCES = (
    Consequence(
        "pci.controllers",
        tuple(f"devices/controller[@type='{kind}']" for kind in _CONTROLLERS),
        _ON_MACHINE,
        "those of the former chipset; libvirt adds the ones that are needed",
        told=lambda said: [f"{one.get('type')} {one.get('index', 0)}" for one in said],
    ),
    Consequence(
        "pci.addresses",
        ("devices/*/address[@type='pci']",),
        _ON_MACHINE,
        "of the former chipset; libvirt gives each device a new one, and the guest sees new slots",
        told=_places,
    ),
    Consequence(
        "board_watchdog",
        ("devices/watchdog[+]",),
        _ON_MACHINE,
        "only a q35 machine has it",
    ),
)


def agree(domain: Element, changed: Changed, former: str) -> None:
    """Let libvirt place all devices anew where the chipset changes, not only its version."""
    machine = domain.find("os/type")
    if machine is None or not touched(changed, "machine") or not former:
        return
    if chipset(former) == chipset(machine.get("machine", "")):
        return
    drop(domain, "devices/*/address[@type='pci']")
    drop(domain, *(f"devices/controller[@type='{kind}']" for kind in _CONTROLLERS))
    if chipset(former) == "q35":
        drop(domain, ITCO)


def chipset(machine: str) -> str:
    """What the versions of one machine have in common: `q35` of `pc-q35-7.2`."""
    parts = machine.split("-")
    if parts[0] == "pc" and len(parts) > 1 and parts[1] in ("q35", "i440fx"):
        return {"q35": "q35", "i440fx": "pc"}[parts[1]]
    return parts[0]
