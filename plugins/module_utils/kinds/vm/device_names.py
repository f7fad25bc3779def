# SPDX-License-Identifier: GPL-3.0-or-later
"""How devices of a list are called that are ours: by their alias."""

from __future__ import annotations

from collections.abc import Callable

from ...engine import xmltree
from ...engine.codecs import text
from ...engine.xmltree import Element

# With a number where others made several alike.
DEVICE_NAME = text(r"[A-Za-z0-9_-]+(#\d+)?", "a name of letters, digits, - and _")


def own_name(device: Element, prefix: str) -> str | None:
    """The name of a device of ours, by its alias."""
    alias = xmltree.get(device, "alias/@name") or ""
    return alias[len(prefix) :] if alias.startswith(prefix) else None


def new_device(bare: str, prefix: str) -> Callable[[str], Element]:
    """What makes a bare device of a name."""

    def new(name: str) -> Element:
        device = xmltree.parse(bare)
        xmltree.put(device, "alias/@name", f"{prefix}{name}")
        return device

    return new
