# SPDX-License-Identifier: GPL-3.0-or-later
"""Memory that libvirt adds up itself: that of a VM with NUMA cells, and of its memory devices."""

from __future__ import annotations

from collections.abc import Mapping

from ...engine.codecs import Value
from ...engine.errors import Mistakes
from ...engine.keys import Key, Values, named
from ...engine.units import format_size, parse_size
from ...engine.xmltree import Element, find
from .table import HOTPLUG_DEVICE

SIZE, MAXIMUM = ("memory", "size"), ("memory", "maximum")
HUGE_PAGES, HOTPLUG = ("memory", "huge_pages"), ("memory", "hotplug")
# All words that libvirt takes in a definition, in any case (virScaleInteger); it writes KiB.
_LETTERS = {letter: power for power, letter in enumerate("kmgtpe", 1)}
_UNITS = {
    **dict.fromkeys(("b", "byte", "bytes"), 1),
    **{letter: 1024**power for letter, power in _LETTERS.items()},
    **{f"{letter}ib": 1024**power for letter, power in _LETTERS.items()},
    **{f"{letter}b": 1000**power for letter, power in _LETTERS.items()},
}


def added_up(domain: Element) -> int | None:
    """The bytes that NUMA cells and memory devices make; None where `<memory>` says how much it is.

    So virDomainDefPostParseMemory does it, for every model of memory device.
    """
    cells = domain.findall("cpu/numa/cell[@memory]")
    if not cells:
        return None
    devices = domain.findall("devices/memory/target/size")
    return sum(
        [
            *(_bytes(cell.get("memory"), cell.get("unit")) for cell in cells),
            *(_bytes(size.text, size.get("unit")) for size in devices),
        ]
    )


def agree(domain: Element) -> None:
    """Let `<memory>` say what libvirt makes of it, and the balloon hold no more than that.

    Where others disagree, libvirt has taken it from a file, and adds up when it is defined anew.
    """
    total = added_up(domain)
    memory, balloon = domain.find("memory"), domain.find("currentMemory")
    if total is None or memory is None:
        return
    if _bytes(memory.text, memory.get("unit")) != total:
        _set(memory, total)
        if balloon is not None and _bytes(balloon.text, balloon.get("unit")) > total:
            _set(balloon, total)


def _set(element: Element, size: int) -> None:
    element.set("unit", "KiB")
    element.text = str(size // 1024)


def boot_of(domain: Element) -> int:
    """The bytes that a VM is started with: what the device of ours can add is not among them."""
    return (bytes_at(domain, "memory") or 0) - _of_device(domain, "size")


def requested(domain: Element) -> int:
    """The bytes that the guest is to have plugged in."""
    return _of_device(domain, "requested")


def block(domain: Element) -> int:
    """The bytes that are plugged in at a time."""
    return _of_device(domain, "block") or 1


def plugged(live: Element) -> int:
    """The bytes that the guest has plugged in."""
    return _of_device(live, "current")


def _of_device(domain: Element, what: str) -> int:
    device = find(domain, HOTPLUG_DEVICE)
    return 0 if device is None else bytes_at(device, f"target/{what}") or 0


def follow_balloon(values: Values, stored: Values, live: Element) -> None:
    """Let what runs have the size that is stored, unless that is more than it can have.

    What the balloon holds right now is the guest's affair: it follows when its driver is up, and
    libvirt does not tell the target that was set. What is to be plugged in it does tell.
    """
    most, asked = values[MAXIMUM], requested(live)
    if asked:
        values[SIZE] = format_size(parse_size(most) + asked)
    else:
        values[SIZE] = stored[SIZE] if parse_size(stored[SIZE]) <= parse_size(most) else most


def why_not_plugged(live: Element) -> str:
    """What to say of a guest that has not plugged in, or out, what it is asked to; else nothing."""
    has, asked = plugged(live), requested(live)
    if has == asked:
        return ""
    return (
        f"memory.size: the guest has {format_size(has)} of its memory plugged in, and is asked to "
        f"have {format_size(asked)}"
    )


def check(want: Mapping[Key, Value], after: Values, mistakes: Mistakes) -> None:
    """The size fits in the maximum, and that is what was declared, or pulled up by the size."""
    size, most, declared = want.get(SIZE) or after[SIZE], after[MAXIMUM], want.get(MAXIMUM)
    if declared not in (None, most):
        pulled_up = want.get(SIZE) == declared and parse_size(declared) > parse_size(most)
        mistakes.add(
            f"cannot be {declared}: libvirt adds up what the VM's NUMA cells and memory devices "
            f"have, which is {most}; write that, or change those (virsh edit)",
            named(SIZE if pulled_up else MAXIMUM),
        )
    elif parse_size(size) > most_of(after):
        can = f"memory.maximum, which is {most}"
        if after[HOTPLUG] != "0B":
            can += f", and memory.hotplug, which is {after[HOTPLUG]}"
        mistakes.add(f"{size} is above {can}", named(SIZE))


def most_of(values: Mapping[Key, Value]) -> int:
    """The bytes that a VM can have without a restart."""
    return parse_size(values[MAXIMUM]) + parse_size(values.get(HOTPLUG) or "0B")


def bytes_at(domain: Element, path: str) -> int | None:
    """The size that stands at a path in bytes; None where none does."""
    found = domain.find(path)
    return None if found is None else _bytes(found.text, found.get("unit"))


def parts(domain: Element) -> list[int]:
    """The pieces, in bytes, of which a VM's memory is made: its NUMA cells, or all of it, and what
    is plugged in beside."""
    cells = domain.findall("cpu/numa/cell[@memory]")
    plugged = [
        _bytes(found.text, found.get("unit"))
        for model, path in (("dimm", "target/size"), ("virtio-mem", "target/requested"))
        for found in domain.findall(f"devices/memory[@model='{model}']/{path}")
    ]
    if cells:
        return [*(_bytes(cell.get("memory"), cell.get("unit")) for cell in cells), *plugged]
    return [bytes_at(domain, "memory") or 0, *plugged]


def huge_pages(domain: Element) -> str:
    """The size of the huge pages that a VM's memory is in, as the option says it, or in words.

    Others may say no size, which is the host's own, or one for each node.
    """
    backing = domain.find("memoryBacking/hugepages")
    if backing is None:
        return "none"
    pages = backing.findall("page")
    sizes = [format_size(_bytes(page.get("size"), page.get("unit"))) for page in pages]
    if not pages:
        return "default"
    if len(pages) == 1 and not pages[0].get("nodeset"):
        return sizes[0]
    places = [page.get("nodeset") or "others" for page in pages]
    return ", ".join(f"{size} ({place})" for size, place in zip(sizes, places))


def huge_page(domain: Element, usual: int) -> int:
    """The bytes of a huge page of a VM, of the first size if there are several.

    `usual` is the host's own size, where the definition says none; 0 of a VM that is on none.
    """
    backing = domain.find("memoryBacking/hugepages")
    if backing is None:
        return 0
    page = backing.find("page")
    return usual if page is None else _bytes(page.get("size"), page.get("unit"))


def _bytes(number: str | None, unit: str | None) -> int:
    return int((number or "0").strip()) * _UNITS[(unit or "KiB").lower()]
