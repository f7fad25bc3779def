# SPDX-License-Identifier: GPL-3.0-or-later
"""What an applier of the move of a disk has in hand: the plan, and the host."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ...engine import xmltree
from ...engine.fields import items_of
from ...engine.plan import Plan
from ...engine.xmltree import Element
from ...host.connection import Host, libvirt
from ...kinds.vm.table import DISKS
from ..fate import DiskFate
from ..volume_there import plan_of
from .checks import is_given
from .note import Note
from .planned import Planned


@dataclass(frozen=True)
class Job:
    """One move of a disk that is to be made, or ended."""

    host: Host
    planned: Planned
    progress: list[dict[str, Any]] = field(default_factory=list)  # as it was seen while it ran

    @property
    def resource(self) -> str:
        """How errors call it: `storage_migration/web`."""
        return self.planned.plan.resource

    @property
    def disk(self) -> str:
        """The name of the disk."""
        return self.planned.move.wanted.disk

    @property
    def target(self) -> str:
        """What libvirt's calls know the disk by: vda."""
        return self.planned.move.target

    @property
    def fate(self) -> DiskFate:
        """What becomes of the disk."""
        if self.planned.fate is None:
            raise LookupError("nothing is copied")
        return self.planned.fate

    @property
    def makes(self) -> bool:
        """Whether the volume that it goes to is made for it."""
        return not is_given(self.planned.move)

    @property
    def note(self) -> Note:
        """What the VM's definition says of the move as long as it is not over."""
        fate = self.fate
        old = f"{fate.pool}/{fate.volume}" if fate.pool else ""
        volume = f"{fate.pool_there}/{fate.volume_there}"
        return Note(self.disk, fate.source, fate.there, volume, old, self.makes)

    def volume(self, copy_of: str = "") -> Plan:
        """The plan for the volume that it goes to."""
        move = self.planned.move
        layout = move.layout_there
        return plan_of(move.pool, self.fate, self.fate.capacity, copy_of=copy_of, layout=layout)

    def runs(self, dom: Any) -> Element | None:
        """The disk as it runs now; None where the VM does not."""
        if not dom.isActive():
            return None
        tree = xmltree.parse(dom.XMLDesc(libvirt.VIR_DOMAIN_XML_SECURE))
        return items_of(DISKS, tree).get(self.disk)
