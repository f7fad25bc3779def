# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the engine has to know to account for the edits of a domain."""

from __future__ import annotations

from ansible_collections.kvm.fleet.plugins.module_utils.accounting import Books, Claims, Part
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm import extra
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.agree import CONSEQUENCES
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.declared import note_at
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.extra_record import RECORD
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.table import DISKS, ROWS
from ansible_collections.kvm.fleet.plugins.module_utils.plan import Change
from ansible_collections.kvm.fleet.plugins.module_utils.xmltree import Element


def _owned(change: Change, before: Element, after: Element, claims: Claims) -> None:
    """What was put in or taken out as extra XML, the record of it, and the notes of disks."""
    if change.field[0] == DISKS.name:
        for domain in (before, after):
            claims.path(domain, note_at(change.field[1]))
    if change.field != ("extra_xml",):
        return
    for domain, other in ((before, after), (after, before)):
        claims.path(domain, RECORD)
        for element, part in extra.claimed(domain, other):
            claims.add(element, part)


BOOKS = Books(lambda domain: [Part(ROWS, domain)], CONSEQUENCES, _owned)
