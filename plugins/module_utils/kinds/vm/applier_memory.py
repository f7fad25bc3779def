# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings a size of memory to a VM that runs: by its device virtio-mem above what it was started
with, by its balloon below."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...engine import xmltree
from ...engine.errors import FleetError
from ...engine.units import format_size
from ...engine.xmltree import Element
from ...host.connection import libvirt, wait_until
from . import memory
from .table import HOTPLUG_DEVICE

KIB = 1024
# How long a guest may take to give plugged memory back.
GIVE_BACK_TIMEOUT_S = 20.0


def resize(dom: Any, resource: str, size: int, now: Callable[[], Element]) -> None:
    """Have the guest get so many bytes, or give them back. FleetError if it keeps what was plugged.

    The balloon takes of all that the guest has: what is plugged in is added to what it leaves, so
    that nothing more goes when the guest has given that back.
    """
    live = now()
    boot, asked = memory.boot_of(live), 0
    if xmltree.find(live, HOTPLUG_DEVICE) is not None:
        asked = max(0, size - boot)
        _request(dom, live, asked)
        wait_until(lambda: memory.plugged(now()) <= asked, GIVE_BACK_TIMEOUT_S)
    kept = memory.plugged(now())
    if live.find("devices/memballoon[@model='virtio']") is not None:
        kib = (min(size, boot) + kept) // KIB
        dom.setMemoryFlags(kib, libvirt.VIR_DOMAIN_AFFECT_LIVE)
    if kept > asked:
        raise FleetError(
            f"the guest has given back what it could within {GIVE_BACK_TIMEOUT_S:.0f} s, and keeps "
            f"{format_size(kept)} of what was plugged in, where it is asked to keep "
            f"{format_size(asked)}; it goes on trying, a restart takes it away",
            resource,
            "memory.size",
        )


def _request(dom: Any, live: Element, asked: int) -> None:
    if memory.requested(live) == asked:
        return
    device = xmltree.clone(xmltree.ensure(live, HOTPLUG_DEVICE))
    xmltree.put(device, "target/requested", str(asked // KIB))
    dom.updateDeviceFlags(xmltree.serialise(device), libvirt.VIR_DOMAIN_AFFECT_LIVE)
