# SPDX-License-Identifier: GPL-3.0-or-later
"""What cannot be reserved or limited of a VM's memory, or would have the kernel kill the VM."""

from __future__ import annotations

from collections.abc import Iterator

from ...engine import xmltree
from ...engine.errors import FleetError
from ...engine.units import format_size
from ...engine.xmltree import Element
from .agree.hotplug import block_of
from .agree.memory_backing import LOCKED, has_to_be_locked
from .memory import bytes_at, requested
from .table import ALL, HOTPLUG_DEVICE, RESERVATION

MIB = 2**20
RESERVATION_PATH = f"{RESERVATION}/@memory"
HARD_LIMIT, SWAP_HARD_LIMIT = "memtune/hard_limit", "memtune/swap_hard_limit"

# What QEMU maps beside the guest's memory: all of that counts where memory is locked, touched or
# not (mlockall). Measured with QEMU 7.2: 400 MiB with one vCPU, and the stack and heap of each
# further thread. Under emulation it keeps the code that it makes.
MAPPED, MAPPED_BY_VCPU, MAPPED_EMULATED = 384 * MIB, 8 * MIB, 1024 * MIB


def wrong(domain: Element, before: Element | None) -> Iterator[FleetError]:
    """What of a definition contradicts itself, or the kernel. What is no worse than before is not
    told."""
    yield from _reserves_what_it_has(domain)
    yield from _is_locked_for_all(domain)
    yield from _can_be_plugged(domain)
    limit = bytes_at(domain, HARD_LIMIT)
    if limit is None:
        yield from _is_limited_without_swap(domain)
        return
    had = None if before is None else bytes_at(before, HARD_LIMIT)
    if before is None or had != limit or _needed(domain) > _needed(before):
        yield from _has_place_in_limit(domain, limit)
    yield from _goes_with_swap(domain, limit)


def _reserves_what_it_has(domain: Element) -> Iterator[FleetError]:
    """Nothing beyond a VM's memory, or beyond its limit, can be held for it."""
    said = xmltree.get(domain, RESERVATION_PATH)
    if not said or said == ALL:
        return
    reserved, most = int(said) * 1024, bytes_at(domain, "memory") or 0
    limit = bytes_at(domain, HARD_LIMIT)
    if reserved > most:
        yield FleetError(
            f"{format_size(reserved)} is above memory.maximum, which is {format_size(most)}; write "
            "less, or all",
            field="memory.reservation",
        )
    elif limit is not None and reserved > limit:
        yield FleetError(
            f"{format_size(reserved)} is above memory.limit, which is {format_size(limit)}",
            field="memory.reservation",
        )


def _is_locked_for_all(domain: Element) -> Iterator[FleetError]:
    if has_to_be_locked(domain) and xmltree.get(domain, LOCKED) is None:
        yield FleetError(
            "cannot be false where memory.reservation is all: what is not locked, and in no huge "
            "pages, is swapped out; set memory.huge_pages, or memory.reservation to a size",
            field="memory.locked",
        )


def _can_be_plugged(domain: Element) -> Iterator[FleetError]:
    """QEMU plugs in whole blocks, and nothing into a VM whose memory is locked."""
    device = xmltree.find(domain, HOTPLUG_DEVICE)
    if device is None:
        return
    block, size = block_of(domain), bytes_at(device, "target/size") or 0
    if xmltree.get(domain, LOCKED) is not None:
        yield FleetError(
            "is not possible where memory.locked is true (QEMU: incompatible with mlock); "
            "memory.huge_pages keep memory in place too",
            field="memory.hotplug",
        )
    if size % block:
        yield FleetError(
            f"{format_size(size)} is no multiple of {format_size(block)}, which is plugged in at a "
            "time",
            field="memory.hotplug",
        )
    asked = requested(domain)
    if asked % block:
        yield FleetError(
            f"is {format_size(asked)} above memory.maximum, which is no multiple of "
            f"{format_size(block)}, which is plugged in at a time",
            field="memory.size",
        )


def _has_place_in_limit(domain: Element, limit: int) -> Iterator[FleetError]:
    """The kernel kills QEMU, and the guest with it, where it passes its limit."""
    if limit < _needed(domain):
        yield FleetError(
            f"{format_size(limit)} is less than the VM needs: {_sum_of(domain)}; the kernel kills "
            "a VM that passes its limit",
            field="memory.limit",
        )


def _needed(domain: Element) -> int:
    return sum(size for size, _words in _parts(domain))


def _parts(domain: Element) -> list[tuple[int, str]]:
    """What has to have place in a limit. Huge pages are not charged to a VM, unless locked."""
    most, vcpus = bytes_at(domain, "memory") or 0, int(xmltree.get(domain, "vcpu") or 1)
    in_pages = domain.find("memoryBacking/hugepages") is not None
    if xmltree.get(domain, LOCKED) is not None:
        emulated = MAPPED_EMULATED if domain.get("type") == "qemu" else 0
        mapped = MAPPED + MAPPED_BY_VCPU * vcpus + emulated
        return [(most, "memory.maximum"), (mapped, "what QEMU maps, which memory.locked locks too")]
    from ...engine.promises_held import Vm, overhead

    beside = overhead(Vm("", vcpus=vcpus, memory=most))
    memory = [] if in_pages else [(most, "memory.maximum")]
    return [*memory, (beside, "what QEMU needs beside it")]


def _sum_of(domain: Element) -> str:
    said = " + ".join(f"{format_size(size)} ({words})" for size, words in _parts(domain))
    return f"{said} = {format_size(_needed(domain))}"


def _goes_with_swap(domain: Element, limit: int) -> Iterator[FleetError]:
    swap = bytes_at(domain, SWAP_HARD_LIMIT)
    if swap is not None and limit > swap:
        yield FleetError(
            f"{format_size(limit)} is above swap_hard_limit, which is {format_size(swap)} for "
            "memory and swap together; change that first (virsh edit)",
            field="memory.limit",
        )


def _is_limited_without_swap(domain: Element) -> Iterator[FleetError]:
    if bytes_at(domain, SWAP_HARD_LIMIT) is not None:
        yield FleetError(
            "is needed where the VM has a swap_hard_limit: the kernel takes none without; take "
            "that out first (virsh edit)",
            field="memory.limit",
        )
