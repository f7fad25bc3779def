# SPDX-License-Identifier: GPL-3.0-or-later
"""What libvirt's schema and its parser make of a domain."""

from __future__ import annotations

from ...engine import xmltree
from ...engine.host import HostFacts
from ...engine.xmltree import Element


class Unreadable(Exception):
    """libvirt's schema has no place for something in a definition."""


def is_beyond_schema(domain: Element | None, host: HostFacts) -> bool:
    """Whether a definition has what the schema does not; libvirt lets others write such things."""
    try:
        if domain is not None:
            rewritten(domain, host)
    except Unreadable:
        return True
    return False


def rewritten(domain: Element, host: HostFacts) -> Element | None:
    """A domain as libvirt's parser writes it, or None where that cannot be had.

    Unreadable if the schema does not allow it.
    """
    told = host.parsed(xmltree.serialise(domain))
    if told is None:
        return None
    if "schema" in told:
        raise Unreadable(told["schema"])
    return xmltree.parse(told["xml"])
