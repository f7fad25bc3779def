# SPDX-License-Identifier: GPL-3.0-or-later
"""Memory that can be plugged into a running VM: a device virtio-mem, and what libvirt wants for it.

That is a NUMA cell to plug it into, and a maximum of all memory. Those of others are kept.
"""

from __future__ import annotations

from collections.abc import Mapping

from ....engine import xmltree
from ....engine.accounting import Consequence
from ....engine.codecs import Value
from ....engine.cpu_lists import listed
from ....engine.keys import Key
from ....engine.units import parse_size
from ....engine.xmltree import Element
from .. import memory
from ..table import HOTPLUG_DEVICE
from .base import touched
from .brought import CELL, SLOTS, is_brought, note

KIB = 1024
# What the guest takes and gives at a time: the size of its own huge pages, or of the host's.
BLOCK = 2 * 2**20
_ON = ("memory.hotplug", "memory.maximum")

CONSEQUENCES = (
    Consequence(
        "memory.numa",
        ("cpu/numa",),
        ("memory.hotplug",),
        "libvirt plugs memory into a NUMA cell, which is all of the VM where it has none",
    ),
    Consequence(
        "memory.slots",
        ("maxMemory",),
        _ON,
        "what libvirt lets the VM have at most, with all that can be plugged in",
    ),
    Consequence(
        "memory.cell",
        ("cpu/numa/cell/@memory", "cpu/numa/cell/@unit"),
        ("memory.maximum",),
        "",
        silent=True,
    ),
    Consequence("memory.total", ("memory",), _ON, "", silent=True),
    Consequence(
        "memory.requested",
        ("devices/memory/target/requested",),
        ("memory.size", "memory.maximum"),
        "",
        silent=True,
    ),
    Consequence(
        "memory.block",
        ("devices/memory/target/block",),
        ("memory.huge_pages",),
        "",
        silent=True,
    ),
)


def agree(domain: Element, before: Mapping[Key, Value], changed: Mapping[Key, Value]) -> None:
    """Have the device ask for what the size is above the maximum, and all around it fit."""
    if touched(changed, "numa.cells"):
        note(domain, CELL, brought=False)
    if not touched(changed, *_ON, "memory.size", "memory.huge_pages", "numa.cells"):
        return
    device = xmltree.find(domain, HOTPLUG_DEVICE)
    if device is None and before.get(memory.HOTPLUG, "0B") == "0B":
        return
    now = {**before, **changed}
    boot, size = parse_size(now[memory.MAXIMUM]), parse_size(now[memory.SIZE])
    if device is None:
        _take_away(domain, boot)
        return
    _put_cell(domain, boot)
    _put_target(domain, device, max(0, size - boot))
    _put_slots(domain)
    memory.agree(domain)


def block_of(domain: Element) -> int:
    """The bytes that are plugged at a time: no less than a page of what they are made of."""
    page = xmltree.get(domain, "memoryBacking/hugepages/page/@size")
    return max(BLOCK, int(page or 0) * KIB)


def _put_target(domain: Element, device: Element, requested: int) -> None:
    device.set("model", "virtio-mem")
    target = xmltree.ensure(device, "target")
    cell = domain.find("cpu/numa/cell")
    if target.find("node") is None:
        xmltree.put(target, "node", "0" if cell is None else cell.get("id", "0"))
    xmltree.put(target, "size/@unit", "KiB")
    for tag, value in (("block", block_of(domain)), ("requested", requested)):
        xmltree.put(target, f"{tag}/@unit", "KiB")
        xmltree.put(target, tag, str(value // KIB))


def _put_cell(domain: Element, boot: int) -> None:
    if domain.find("cpu/numa/cell") is None:
        cell = xmltree.ensure(domain, "cpu/numa/cell")
        cell.set("id", "0")
        cell.set("cpus", listed(set(range(int(xmltree.get(domain, "vcpu") or 1)))))
        note(domain, CELL, brought=True)
    if is_brought(domain, CELL):
        cell = xmltree.ensure(domain, "cpu/numa/cell")
        cell.set("memory", str(boot // KIB))
        cell.set("unit", "KiB")


def _put_slots(domain: Element) -> None:
    total, most = memory.added_up(domain) or 0, memory.bytes_at(domain, "maxMemory")
    if most is None:
        note(domain, SLOTS, brought=True)
        xmltree.put(domain, "maxMemory/@slots", "1")
    if most is None or most < total or is_brought(domain, SLOTS):
        xmltree.put(domain, "maxMemory/@unit", "KiB")
        xmltree.put(domain, "maxMemory", str(total // KIB))


def _take_away(domain: Element, boot: int) -> None:
    if is_brought(domain, CELL):
        note(domain, CELL, brought=False)
        xmltree.put(domain, "cpu/numa!/cell", None)
    if is_brought(domain, SLOTS):
        note(domain, SLOTS, brought=False)
        xmltree.put(domain, "maxMemory!", None)
    if domain.find("cpu/numa/cell") is None:
        xmltree.put(domain, "memory", str(boot // KIB))
