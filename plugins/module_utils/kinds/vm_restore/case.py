# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan for restoring a VM looks at: the backup, and the VM that is to be."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from ...engine import xmltree
from ...engine.errors import FleetError
from ...engine.looked_at import Layout
from ...engine.xmltree import Element
from ..storage_volume.volumes import volume_path
from ..vm import noted_vlans
from ..vm.definition import is_barred
from ..vm.derived import volume_of
from ..vm.moved import is_outdated
from ..vm.snapshots import snapshots_of
from ..vm_backup.disks import disks_of
from ..vm_backup.looking import Looking
from ..vm_backup.manifest import Backup, DiskCopy, above, when, why_not_whole
from .declared import Declared
from .facts import Journal, RestoreFacts
from .tree import bar_disks, become_another, put_disks, without_disks


class DiskBack(NamedTuple):
    """One disk that is restored."""

    copy: DiskCopy
    path: str  # where it goes, as definitions say it
    format: str
    place: str  # the same by its real path: what is a link stays one

    @property
    def half_made(self) -> str:
        """Where it is until it is whole."""
        return f"{self.place}.partial"

    @property
    def layout(self) -> Layout | None:
        """How it is laid out, where it is qcow2 and the backup says how it was."""
        return self.copy.layout if self.format == "qcow2" else None


@dataclass(frozen=True)
class Case(Looking[Declared]):
    """One VM that is to be as in a backup."""

    @property
    def is_another(self) -> bool:
        """Whether it becomes another VM than the one that was backed up."""
        return self.wanted.target != self.wanted.vm

    @cached_property
    def journal(self) -> Journal:
        """What an earlier run noted."""
        found = RestoreFacts(self.world.facts)
        return found.journal(self.wanted.folder, self.wanted.target)

    @cached_property
    def backup(self) -> Backup:
        """The one that is meant: by its name, or the last that is whole. FleetError without one."""
        wanted, kept = self.wanted, self.kept.backups
        if wanted.backup:
            found = self.by_id.get(wanted.backup)
            if found is None:
                there = ", ".join(self.by_id) or "none"
                message = (
                    f"there is no backup {wanted.backup} in {wanted.folder}; there are: {there}"
                )
                raise FleetError(message, self.resource, "backup")
            return found
        whole = [one for one in kept if not why_not_whole(one, self.by_id)]
        early = [one for one in whole if not wanted.before or one.made <= wanted.before]
        if not early:
            until = f" of before {when(wanted.before)}" if wanted.before else ""
            message = f"there is no backup in {wanted.folder} that is whole{until}"
            raise FleetError(message, self.resource, "before" if wanted.before else "vm")
        return early[-1]

    @cached_property
    def chain(self) -> list[Backup]:
        """It, and those that it stands on."""
        return [self.backup, *above(self.backup, self.by_id)]

    @cached_property
    def was(self) -> Element:
        """The definition in the backup. FleetError where it is none."""
        text = RestoreFacts(self.world.facts).definition(self.wanted.folder, self.backup.id)
        if not text:
            message = f"the definition in {self.backup.id} cannot be read"
            raise FleetError(message, self.resource, "backup")
        return noted_vlans.parse(text)

    @cached_property
    def disks(self) -> list[DiskBack]:
        """Its disks, and where they go."""
        return [self._disk(one) for one in self.backup.disks]

    def _disk(self, copy: DiskCopy) -> DiskBack:
        form = "raw" if copy.format == "raw" else "qcow2"
        if not self.wanted.pool:
            return DiskBack(copy, copy.source, form, self.world.host.real_path(copy.source))
        pool = self.world.was("storage_pool", self.wanted.pool)
        named = {"name": copy.name, "format": form}
        path = volume_path(pool, volume_of(self.wanted.target, named))
        return DiskBack(copy, path, form, self.world.host.real_path(path))

    @cached_property
    def left_out(self) -> list[str]:
        """The disks, by target, that the VM had and the backup has not."""
        had = [one.target for one in disks_of(self.was, self.chains)]
        return [target for target in had if self.backup.disk(target) is None]

    @cached_property
    def definition(self) -> Element:
        """The definition of the VM that is to be."""
        tree = xmltree.clone(self.was)
        if self.is_another:
            become_another(tree, self.wanted.target, self.world.host)
            without_disks(tree, self.left_out)
        put_disks(tree, {one.copy.target: (one.path, one.format) for one in self.disks})
        return tree

    @cached_property
    def barred(self) -> Element:
        """The same as it is stored while its disks take their places: it cannot be started."""
        tree = xmltree.clone(self.definition)
        bar_disks(tree, {one.copy.target for one in self.disks})
        return tree

    @cached_property
    def snapshots(self) -> list[str]:
        """The names of the snapshots that libvirt has of the VM that is there."""
        return sorted(one.name for one in snapshots_of(self.world.host, self.wanted.target))

    @property
    def uuid(self) -> str:
        """Of the VM that is to be."""
        return xmltree.get(self.definition, "uuid") or ""

    @property
    def is_done(self) -> bool:
        """Whether the VM that is there was made of this very backup, and is not asked for anew."""
        journal, wanted = self.journal, self.wanted
        return (
            self.have.exists
            and not wanted.overwrite
            and journal.done
            and journal.backup == self.backup.id
            and journal.uuid == xmltree.get(self.have.definition, "uuid") == self.uuid
        )

    @property
    def autostart(self) -> bool:
        """Whether it is to start with its host: as it does, or did when it was backed up."""
        if self.have.exists:
            return bool(self.have.facts.get("autostart"))
        return self.backup.autostart and not self.is_another

    @property
    def is_begun(self) -> bool:
        """Whether a run that was interrupted left the VM that is there without its disks."""
        have, journal = self.have, self.journal
        return (
            have.exists
            and not journal.done
            and journal.uuid == xmltree.get(have.definition, "uuid")
            and is_barred(have.definition)
        )

    def above(self, disk: DiskBack) -> list[str]:
        """The overlays of the VM that is there over the image that a disk goes to, as after
        snapshots. They are of no use once that is another."""
        has = self.have.definition if self.have.exists else None
        for one in xmltree.find_all(has, "devices/disk") if has is not None else ():
            layers = [layer.path for layer in self.chains.of(one)]
            places = [self.chains.place(path) for path in layers]
            if self.chains.place(disk.path) in places:
                return layers[: places.index(self.chains.place(disk.path))]
        return []

    @cached_property
    def left(self) -> list[str]:
        """The overlays that the VM leaves, or has left in an earlier run."""
        leaves = [path for one in self.disks for path in self.above(one)]
        host = self.world.host
        before = [path for path in self.journal.left if host.exists(path)]
        return list(dict.fromkeys((*before, *leaves)))

    def is_left(self, overlay: str, base: str) -> bool:
        """Whether an earlier run left an overlay of the VM, over an image that was another then.

        One that was made since, over the image as it was restored, is somebody's.
        """
        places = {self.chains.place(path) for path in self.journal.left}
        if self.chains.place(overlay) not in places:
            return False
        return not self.journal.done or is_outdated(overlay, base, self.chains)

    def is_ours(self, path: str) -> bool:
        """Whether a run that was interrupted made a file for this."""
        return not self.journal.done and path in self.journal.files

    def folder_of(self, path: str) -> str:
        """The folder that a file is in."""
        return posixpath.dirname(path)
