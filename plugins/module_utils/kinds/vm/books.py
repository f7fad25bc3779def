# SPDX-License-Identifier: GPL-3.0-or-later
"""What the engine has to know to account for the edits of a domain."""

from __future__ import annotations

from ...engine import xmltree
from ...engine.accounting import Books, Claims, Part
from ...engine.changes import Change
from ...engine.tree_diff import WHOLE
from ...engine.xmltree import Element
from .agree import CONSEQUENCES
from .agree.brought import BROUGHT, OPTIONS
from .declared import note_at
from .seeded import CLOUD_INIT, NOTE
from .table import DISKS, EXTRA_RECORD, ROWS


def _owned(change: Change, before: Element, after: Element, claims: Claims) -> None:
    """What was put in or taken out as extra XML, the record of it, and the notes beside."""
    if change.is_of(DISKS.name):
        for domain in (before, after):
            claims.path(domain, note_at(change.thing_in(DISKS.name)))
    for domain in (before, after):
        for path in _paths_of(change):
            claims.path(domain, path)
    if not change.is_of("extra_xml"):
        if xmltree.find(before, EXTRA_RECORD) is None:
            return  # as in most VMs, which import nothing for it
        from . import extra

        for record in extra.sealed(before, after):
            claims.add(record, WHOLE)
        return
    from . import extra

    for domain, other in ((before, after), (after, before)):
        claims.path(domain, EXTRA_RECORD)
        for element, part in extra.claimed(domain, other):
            claims.add(element, part)


def _paths_of(change: Change) -> list[str]:
    """The places that are an option's beside that of its row."""
    if change.is_of(CLOUD_INIT):
        return [f"{NOTE}!"]
    brought = [BROUGHT] if any(change.is_of(option) for option in OPTIONS) else []
    return [*brought, "cpu/numa"] if change.is_of("memory.hotplug") else brought


BOOKS = Books(lambda domain: [Part(ROWS, domain)], CONSEQUENCES, _owned)
