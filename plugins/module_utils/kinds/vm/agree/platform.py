# SPDX-License-Identifier: GPL-3.0-or-later
"""Features of the board: some say with their value that they are on."""

from __future__ import annotations

from ....engine import xmltree
from ....engine.xmltree import Element
from .base import Changed, touched


def agree(domain: Element, changed: Changed) -> None:
    """Make the rest of the board go with what changed of it."""
    if touched(changed, "features.hyperv"):
        for name, value in (("spinlocks", "retries"), ("vendor_id", "value")):
            found = xmltree.find(domain, f"features/hyperv/{name}")
            if found is not None and found.get(value):
                found.set("state", "on")


def agree_mode(domain: Element) -> None:
    """Say the mode that libvirt takes enlightenments for where none is said."""
    hyperv = domain.find("features/hyperv")
    if hyperv is not None and len(hyperv) and hyperv.get("mode") is None:
        hyperv.set("mode", "custom")
