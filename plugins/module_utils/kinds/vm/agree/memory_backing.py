# SPDX-License-Identifier: GPL-3.0-or-later
"""What a VM's memory is made of: huge pages of one size, and locked where all of it is reserved."""

from __future__ import annotations

from ....engine import xmltree
from ....engine.accounting import Consequence
from ....engine.xmltree import Element
from ..table import ALL, RESERVATION
from .base import Changed, touched
from .brought import LOCK, MEMFD, is_brought, note

LOCKED, LOCKED_KEY = "memoryBacking/locked", ("memory", "locked")
SOURCE = "memoryBacking/source/@type"
CONSEQUENCES = (
    Consequence(
        "memory.source",
        ("memoryBacking/source",),
        ("memory.shared",),
        "memory that is shared is a file in memory (memfd)",
    ),
)
OF_LOCKED = ("memory.reservation", "memory.huge_pages", "memory.locked")


def agree(domain: Element, changed: Changed, stays_locked: bool, extra_xml: str) -> None:
    """Keep all of the memory in place where all is reserved: huge pages stay there unlocked."""
    if touched(changed, "memory.huge_pages"):
        _of_one_size(domain)
    if touched(changed, "memory.shared"):
        _shared(domain)
    if touched(changed, *OF_LOCKED):
        explicit = stays_locked or touched(changed, "memory.locked")
        agree_locked(domain, explicit, is_in(extra_xml))


def _shared(domain: Element) -> None:
    """What is shared is in a file, of which others get a descriptor: one in memory, where nobody
    has said another, and no huge pages are one."""
    is_shared = xmltree.get(domain, "memoryBacking/access/@mode") == "shared"
    has_file = domain.find("memoryBacking/source") is not None
    if is_shared and not has_file and domain.find("memoryBacking/hugepages") is None:
        xmltree.put(domain, SOURCE, "memfd")
        note(domain, MEMFD, brought=True)
    elif not is_shared and is_brought(domain, MEMFD):
        note(domain, MEMFD, brought=False)
        if xmltree.get(domain, SOURCE) == "memfd":
            xmltree.put(domain, "memoryBacking/source!", None)


def _of_one_size(domain: Element) -> None:
    """A size is that of all memory: what single nodes had is not. None is no pages at all, of which
    others may have said no size."""
    pages = domain.findall("memoryBacking/hugepages/page")
    if not pages:
        xmltree.put(domain, "memoryBacking/hugepages!", None)
    for other in pages[1:]:
        xmltree.remove(domain, other)
    for page in pages[:1]:
        page.attrib.pop("nodeset", None)
        page.set("unit", "KiB")


def agree_locked(domain: Element, explicit: bool, by_extra: bool) -> None:
    """A lock comes with all of the memory, and goes when neither that nor extra_xml has it."""
    is_locked = xmltree.get(domain, LOCKED) is not None
    if has_to_be_locked(domain):
        if not (is_locked or explicit):
            xmltree.put(domain, LOCKED, "")
            note(domain, LOCK, brought=True)
        return
    if is_brought(domain, LOCK) and (explicit or not by_extra):
        note(domain, LOCK, brought=False)
        if not explicit:
            xmltree.put(domain, LOCKED, None)


def is_in(extra_xml: str) -> bool:
    """Whether extra_xml has the lock."""
    if LOCK not in extra_xml:
        return False
    from ..extra_record import wrapped

    return xmltree.find(wrapped(extra_xml), LOCKED) is not None


def has_to_be_locked(domain: Element) -> bool:
    """Whether all of a VM's memory is reserved, and nothing else keeps it in place."""
    reserves_all = xmltree.get(domain, f"{RESERVATION}/@memory") == ALL
    return reserves_all and domain.find("memoryBacking/hugepages") is None
