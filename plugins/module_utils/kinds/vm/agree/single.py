# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user declares one of: random numbers, watchdog, TPM, balloon and the clock."""

from __future__ import annotations

from ....engine import xmltree
from ....engine.accounting import Consequence
from ....engine.xmltree import Element
from ..table import RNG
from .base import Changed, drop, touched

_TOO = "goes too: none means none of several"
_OF_TYPE = "goes with the former type"
_CLOCK = ("adjustment", "basis", "start")
_OF_BALLOON = ("autodeflate", "freePageReporting")


def _others(name: str, path: str, option: str) -> Consequence:
    return Consequence(name, (f"{path}[+]",), (option,), _TOO, is_thing=True)


CONSEQUENCES = (
    _others("other_rngs", RNG, "rng"),
    _others("other_watchdogs", "devices/watchdog", "watchdog.model"),
    _others("other_tpms", "devices/tpm", "tpm.model"),
    Consequence(
        "rng_details",
        (f"{RNG}/backend/*", f"{RNG}/backend/@type"),
        ("rng",),
        "goes with the former source of random numbers",
    ),
    Consequence(
        "rng_defaults",
        (f"{RNG}/@model", f"{RNG}/backend/@model"),
        ("rng",),
        "",
        silent=True,
    ),
    Consequence(
        "balloon_details",
        ("devices/memballoon/*", *(f"devices/memballoon/@{name}" for name in _OF_BALLOON)),
        ("memory.balloon",),
        "goes with the balloon",
    ),
    Consequence(
        "tpm_banks", ("devices/tpm/backend/active_pcr_banks",), ("tpm",), "only 2.0 has it"
    ),
    Consequence("watchdog.address", ("devices/watchdog/address",), ("watchdog.model",), _OF_TYPE),
    Consequence("watchdog.actions", ("devices/watchdog/@action",), ("watchdog",), "", silent=True),
    Consequence("tpm.defaults", ("devices/tpm/backend/@type",), ("tpm",), "", silent=True),
    Consequence(
        "clock_details",
        tuple(f"clock/@{n}" for n in _CLOCK),
        ("clock",),
        _OF_TYPE,
    ),
)


def agree(domain: Element, changed: Changed) -> None:
    """Make the rest of each device go with what changed of it."""
    if touched(changed, "rng"):
        _agree_rng(domain)
    if touched(changed, "watchdog.model"):  # each model has its own bus
        xmltree.put(domain, "devices/watchdog/address!", None)
    if touched(changed, "watchdog"):
        _agree_watchdogs(domain)
    backend = xmltree.find(domain, "devices/tpm/backend")
    if touched(changed, "tpm") and domain.find("devices/tpm") is not None:
        backend = xmltree.ensure(domain, "devices/tpm/backend")
        backend.set("type", backend.get("type", "emulator"))
    if touched(changed, "tpm.version") and backend is not None and backend.get("version") != "2.0":
        drop(backend, "active_pcr_banks")
    balloon = domain.find("devices/memballoon[@model='none']")
    if touched(changed, "memory.balloon") and balloon is not None:
        balloon.attrib.clear()
        balloon.set("model", "none")
        drop(balloon, "*")
    clock = domain.find("clock")
    if touched(changed, "clock") and clock is not None:
        _agree_clock(clock)


def _agree_watchdogs(domain: Element) -> None:
    """A board has one itco, and QEMU one action for all."""
    devices = xmltree.ensure(domain, "devices")
    for another in devices.findall("watchdog[@model='itco']")[1:]:
        devices.remove(another)
    action = xmltree.get(devices, "watchdog/@action")
    for other in devices.findall("watchdog")[1:] if action else ():
        xmltree.put(other, "@action", action)


def _agree_rng(domain: Element) -> None:
    rng = xmltree.find(domain, RNG)
    if rng is None:
        return
    rng.set("model", rng.get("model", "virtio"))
    backend = xmltree.ensure(rng, "backend")
    if backend.get("model") != "random":  # a file of random numbers is of no other backend
        backend.attrib.clear()
        for part in list(backend):
            backend.remove(part)
        backend.set("model", "random")


def _agree_clock(clock: Element) -> None:
    """libvirt takes utc or localtime with an adjustment for the offset `variable`."""
    if clock.get("offset") != "timezone":
        clock.attrib.pop("timezone", None)
    for name in _CLOCK:
        if clock.get(name) != "reset":
            clock.attrib.pop(name, None)
