# SPDX-License-Identifier: GPL-3.0-or-later
"""What options have brought into a definition: only that goes away with them.

It is noted in the metadata, in words.
"""

from __future__ import annotations

from ....engine import xmltree
from ....engine.xmltree import Element
from ..table import RESERVATION

BROUGHT = f"{RESERVATION}/@brought"
LOCK, CELL, SLOTS, MEMFD, IOAPIC = "locked", "numa", "slots", "memfd", "ioapic"
# The options on which the note hangs.
OPTIONS = (
    "memory.reservation",
    "memory.huge_pages",
    "memory.locked",
    "memory.hotplug",
    "memory.shared",
    "iommu",
    "features.ioapic",
    "extra_xml",
)


def is_brought(domain: Element, word: str) -> bool:
    """Whether an option has brought it."""
    return word in (xmltree.get(domain, BROUGHT) or "").split()


def note(domain: Element, word: str, brought: bool) -> None:
    """Note that an option has brought it, or that it has gone or is the user's own now."""
    words = set((xmltree.get(domain, BROUGHT) or "").split())
    after = words | {word} if brought else words - {word}
    if after != words:
        xmltree.put(domain, BROUGHT, " ".join(sorted(after)) or None)
