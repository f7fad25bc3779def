# SPDX-License-Identifier: GPL-3.0-or-later
"""A disk that is to live elsewhere: where it is, where it goes, and what is under way with it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from ...engine import xmltree
from ...engine.errors import FleetError
from ...engine.fields import items_of
from ...engine.looked_at import Layout
from ...engine.move_facts import DiskSize, Inside
from ...engine.plan import Have
from ...engine.xmltree import Element
from ...kinds.images.chains import Chains, Layer
from ...kinds.storage_volume.volumes import (
    BLOCK_POOLS,
    FILE_POOLS,
    capacity_of,
    type_of,
    volume_path,
)
from ...kinds.vm.derived import volume_of
from ...kinds.vm.table import CDROMS, DISKS
from ..options import FLATTEN
from ..side import Side
from ..spots import Spot, layout_at, spot_at, spot_of, volume_at
from .note import Note, note_of
from .options import Declared


@dataclass(frozen=True)
class DiskMove:
    """One disk of one VM on one host, and the pool in which it is to live."""

    side: Side
    wanted: Declared

    @property
    def resource(self) -> str:
        """How errors and plans call it: `storage_migration/web`."""
        return self.wanted.resource

    @property
    def field(self) -> str:
        """How errors call the disk."""
        return f"{DISKS.name}.{self.wanted.disk}"

    # ---- the VM

    @cached_property
    def have(self) -> Have:
        """The VM. FleetError where there is none."""
        have = self.side.vm(self.wanted.vm)
        if not have.exists:
            raise FleetError("there is no such VM; make it first", self.resource, "vm")
        return have

    @property
    def is_live(self) -> bool:
        """Whether QEMU has the disk open, and so is the one to copy it."""
        return self.have.live is not None

    @cached_property
    def note(self) -> Note | None:
        """What an interrupted run noted, of whichever disk of the VM."""
        return note_of(self.have.stored)

    @cached_property
    def begun(self) -> Note | None:
        """The same of this disk."""
        return self.note if self.note and self.note.disk == self.wanted.disk else None

    # ---- the disk

    @cached_property
    def stored(self) -> Element:
        """The disk as it is stored. FleetError where the VM has none of that name."""
        disks = items_of(DISKS, self.have.definition)
        if self.wanted.disk not in disks:
            has = f"it has {', '.join(disks)}" if disks else "it has none"
            if self.wanted.disk in items_of(CDROMS, self.have.definition):
                has = "that is a CD-ROM drive, whose medium is declared by kvm.fleet.vm"
            message = f"the VM has no disk {self.wanted.disk}; {has}"
            raise FleetError(message, self.resource, "disk")
        return disks[self.wanted.disk]

    @cached_property
    def live(self) -> Element | None:
        """The disk as it runs; None where it does not, or waits for the VM's next start."""
        running = items_of(DISKS, self.have.live) if self.have.live is not None else {}
        return running.get(self.wanted.disk)

    @property
    def disk(self) -> Element:
        """What is moved: what runs, or else what is stored."""
        return self.stored if self.live is None else self.live

    @property
    def target(self) -> str:
        """How the guest's controller calls it: vda."""
        return xmltree.get(self.disk, "target/@dev") or ""

    @property
    def format(self) -> str:
        """Its format now."""
        return xmltree.get(self.disk, "driver/@type") or "raw"

    @cached_property
    def here(self) -> Spot:
        """Where its image is."""
        return spot_of(self.side, self.disk)

    @cached_property
    def chains(self) -> Chains:
        """What images of the host stand on."""
        return Chains(self.side.world)

    @cached_property
    def layers(self) -> list[Layer]:
        """Its images, from the one that the VM writes to down."""
        return self.chains.of(self.disk)

    @cached_property
    def size(self) -> DiskSize | None:
        """How large it is."""
        return self.side.moves.disk_size(self.wanted.vm, self.target)

    @property
    def capacity(self) -> int:
        """Bytes that the guest sees; 0 where nobody can tell."""
        if self.size is not None:
            return self.size.capacity
        volume = volume_at(self.side, self.here)
        return capacity_of(volume) if volume is not None and volume.exists else 0

    @cached_property
    def inside(self) -> Inside | None:
        """What else is in its image."""
        return self.side.moves.inside(self.wanted.vm, self.target)

    @cached_property
    def layout(self) -> Layout | None:
        """How its image is laid out, if that is qcow2 and anybody can tell."""
        if self.format != "qcow2":
            return None
        path = self.layers[0].path if self.layers else ""
        return layout_at(self.side, self.here._replace(path=path))

    @cached_property
    def mirror(self) -> str:
        """Where a job of libvirt copies it to at this moment; empty without one."""
        mirror = None if self.live is None else self.live.find("mirror")
        source = None if mirror is None else mirror.find("source")
        if mirror is None or source is None:
            return ""
        return self.chains.source(mirror.get("type", "file"), source)

    @property
    def mirror_format(self) -> str:
        """In which format it is copied there."""
        return (self.live is not None and xmltree.get(self.live, "mirror/format/@type")) or ""

    # ---- where it goes

    @cached_property
    def pool(self) -> Have:
        """The pool that it is to live in."""
        return self.side.pool(self.wanted.pool)

    @property
    def pool_type(self) -> str:
        """Of which type that is."""
        return type_of(self.pool)

    @property
    def format_there(self) -> str:
        """Its format there: as declared, or as it is now where the pool has such volumes."""
        if self.wanted.format or self.pool_type not in FILE_POOLS:
            return self.wanted.format or "raw"
        return "raw" if self.format == "raw" else "qcow2"

    @property
    def layout_there(self) -> Layout | None:
        """How it is laid out there: as it is now, where it is qcow2 as well."""
        return self.layout if self.format_there == "qcow2" else None

    @property
    def name_there(self) -> str:
        """The volume that it goes to: as declared, or as a disk's volume is called by itself."""
        named = {"name": self.wanted.disk, "format": self.format_there}
        return self.wanted.volume or volume_of(self.wanted.vm, named)

    @property
    def volume_there(self) -> str:
        """POOL/NAME of it."""
        return f"{self.wanted.pool}/{self.name_there}"

    @cached_property
    def there(self) -> Spot:
        """Where it goes."""
        if not self.pool.exists:
            return Spot("", self.wanted.pool, self.name_there)
        path = volume_path(self.pool, self.name_there)
        if self.pool_type not in (*FILE_POOLS, *BLOCK_POOLS):
            volume = self.side.volume(self.wanted.pool, self.name_there).stored
            path = "" if volume is None else xmltree.get(volume, "target/path") or ""
        return Spot(path, self.wanted.pool, self.name_there)

    @cached_property
    def is_there(self) -> bool:
        """Whether the disk lives there as declared: what runs of it, and what is stored."""
        return all(self._is_as_declared(disk) for disk in (self.stored, self.live or self.stored))

    def _is_as_declared(self, disk: Element) -> bool:
        wanted, spot = self.wanted, spot_of(self.side, disk)
        form = xmltree.get(disk, "driver/@type") or "raw"
        stands = len(self.layers) > 1 and wanted.backing == FLATTEN
        return (
            spot.pool == wanted.pool
            and (not wanted.volume or spot.volume == wanted.volume)
            and (not wanted.format or form == wanted.format)
            and not stands
        )

    def is_at(self, path: str) -> bool:
        """Whether what runs of the disk, or else what is stored, has the image at a path."""
        return bool(path) and self.chains.place(self.here.path) == self.chains.place(path)

    def spot_at(self, path: str) -> Spot:
        """Where a path of the host is."""
        return spot_at(self.side, path)
