# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of each disk of a VM that moves."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from ..engine import xmltree
from ..engine.move_facts import Inside
from ..engine.plan import Have
from ..engine.xmltree import Element
from ..kinds.images.chains import Chains, Layer
from ..kinds.storage_volume.volumes import (
    BLOCK_POOLS,
    MAKES_VOLUMES,
    NOT_FOR_VMS,
    backing_of,
    capacity_of,
    format_of,
    type_of,
)
from ..kinds.vm.opened import disks_of
from .fate import COPIED, EMPTY, FLATTENED, LAYER, LIKE_IT, LOCAL, SHARED, DiskFate
from .move import Move
from .options import FLATTEN, KEEP
from .spots import Spot, spot_at, spot_of, spot_there, volume_at, why_shared

# A medium that libvirt leaves out where it is not there (virDomainStartupPolicy).
LEFT_OUT = ("optional", "requisite")
# Types of disks that are devices or programs of their host.
OF_HOST = {
    "nvme": "an NVMe device of the host",
    "vhostuser": "served by a program of the host",
    "vhostvdpa": "a vDPA device of the host",
    "dir": "a folder of the host, shown as a disk",
}
# By their names here a device is the same one on all hosts: by what it is called itself.
BY_OWN_NAME = ("/dev/disk/by-id/wwn-", "/dev/disk/by-id/scsi-", "/dev/disk/by-id/dm-uuid-mpath-")


def fates(move: Move) -> list[DiskFate]:
    """What becomes of each disk and drive of a VM, in the order of its definition."""
    chains = Chains(move.source.world)
    disks = [_Disk(move, chains, name, disk) for name, disk in disks_of(move.definition)]
    found = _apart(_alike([disk.fate() for disk in disks]))
    return found + _waiting(move, chains, found)


def _apart(found: list[DiskFate]) -> list[DiskFate]:
    """No two copies go to one place: the second would be written over the first."""
    taken: dict[tuple[str, str], str] = {}
    apart = []
    for fate in found:
        place = (fate.pool_there, fate.volume_there)
        other = taken.setdefault(place, fate.about) if fate.is_copied else fate.about
        if other != fate.about:
            why = f"{other} goes to {fate.there} too; give each a pool of its own (map.pools)"
            fate = fate._replace(how=LOCAL, why=why)
        apart.append(fate)
    return apart


def _waiting(move: Move, chains: Chains, found: list[DiskFate]) -> list[DiskFate]:
    """The disks that a running VM is to have from its next start on: QEMU copies none of them."""
    if move.have.live is None or move.have.stored is None:
        return []
    known = {(fate.target, fate.source) for fate in found}
    disks = [_Disk(move, chains, name, disk) for name, disk in disks_of(move.have.stored)]
    new = [disk for disk in disks if disk.is_new(known)]
    return [_not_copied(disk.fate()) for disk in new]


def _not_copied(fate: DiskFate) -> DiskFate:
    if not fate.is_copied:
        return fate
    why = "it waits for the VM's next start, and only what the VM runs on is copied"
    return fate._replace(how=LOCAL, why=f"{why}; restart it, or move it while it is stopped")


def _alike(found: list[DiskFate]) -> list[DiskFate]:
    """libvirt copies layers of all disks, or all of each: it has one flag for a whole move."""
    if not any(fate.how == FLATTENED for fate in found):
        return found
    return [fate if fate.how != LAYER else _flat(fate) for fate in found]


def _flat(fate: DiskFate) -> DiskFate:
    why = f"{fate.why}, but what another disk stands on is not there"
    size = fate.capacity or fate.allocation
    return fate._replace(how=FLATTENED, why=why, allocation=size, backing="", backing_format="")


class _Disk:
    """One disk of the VM."""

    def __init__(self, move: Move, chains: Chains, name: str, disk: Element) -> None:
        self.move = move
        self.disk = disk
        self.device = disk.get("device", "disk")
        self.target = xmltree.get(disk, "target/@dev") or ""
        self.chains = chains
        self.layers = chains.of(disk)
        self.here = spot_of(move.source, disk)
        self.known = DiskFate(
            name.rpartition(".")[2].rpartition(" ")[2],
            self.target,
            EMPTY,
            device=self.device,
            source=self.here.named or (self.layers[0].path if self.layers else ""),
            pool=self.here.pool,
            volume=self.here.volume,
            format=xmltree.get(disk, "driver/@type") or "raw",
            read_only=disk.find("readonly") is not None,
            encrypted=next(disk.iter("encryption"), None) is not None,
        )

    def is_new(self, known: set[tuple[str, str]]) -> bool:
        """Whether it has another image than any of the disks that are known, or is none of them."""
        return bool(self.known.source) and (self.target, self.known.source) not in known

    def fate(self) -> DiskFate:
        kind = self.disk.get("type", "file")
        if kind in OF_HOST:
            return self._local(f"it is {OF_HOST[kind]}")
        if kind == "network":
            return self._as(SHARED, self.known.source, "it is reached by the network")
        if not self.known.source:
            return self.known
        shared = why_shared(self.move, self.here) or self._is_one_device()
        if shared:
            return self._shared(shared)
        if self.device != "disk":
            return self._medium()
        return self._copied()

    def _as(self, how: str, there: str, why: str, **more: Any) -> DiskFate:
        return self.known._replace(how=how, there=there, why=why, **more)

    def _local(self, why: str) -> DiskFate:
        return self._as(LOCAL, "", why)

    def _is_one_device(self) -> str:
        path = self.here.path
        return "its name is that of the device itself" if path.startswith(BY_OWN_NAME) else ""

    # ---- on storage that both have

    @cached_property
    def there(self) -> Spot:
        return spot_there(self.move, self.here)

    def _shared(self, why: str) -> DiskFate:
        lost = self._not_there()
        if lost:
            return self._local(f"it stands on {lost}, which the target does not have there")
        there = self.there
        return self._as(
            SHARED,
            there.named or self.known.source,
            why,
            pool_there=there.pool,
            volume_there=there.volume,
        )

    def _not_there(self) -> str:
        """Of what an image stands on, the first that is not at the target by the same path.

        The image names it by that path, and is not written anew.
        """
        for layer in self.layers[1:]:
            spot = spot_at(self.move.source, layer.path)
            same = why_shared(self.move, spot) or layer.path.startswith(BY_OWN_NAME)
            is_there = same or not layer.path.startswith("/") or self._has_copy(spot)
            if not is_there or (spot.pool and spot_there(self.move, spot).path != layer.path):
                return layer.path
        return ""

    # ---- media

    def _medium(self) -> DiskFate:
        """A medium is read only: a copy that the target has is as good."""
        if self.device == "lun":
            return self._local("it is a device that is handed through")
        if self._has_copy(self.here):
            return self._as(
                SHARED,
                self.there.named,
                LIKE_IT,
                pool_there=self.there.pool,
                volume_there=self.there.volume,
            )
        if xmltree.get(self.disk, "source/@startupPolicy") in LEFT_OUT:
            return self._as(EMPTY, "", "it is optional, and left out")
        return self._local("it is on storage of the source alone")

    def _has_copy(self, spot: Spot) -> bool:
        """Whether the target has a file of the same name, format and size, down to the byte."""
        one, other = volume_at(self.move.source, spot), self._volume_there(spot)
        sizes = [_sizes(have) for have in (one, other) if have is not None and have.exists]
        return len(sizes) == 2 and sizes[0] == sizes[1] and sizes[0][2] > 0

    def _volume_there(self, spot: Spot) -> Have | None:
        there = spot_there(self.move, spot)
        if not there.pool or not self.move.target.pool(there.pool).exists:
            return None
        return self.move.target.volume(there.pool, there.volume)

    # ---- copies

    def _copied(self) -> DiskFate:
        why_not = self._why_no_copy()
        if why_not:
            return self._local(why_not)
        size = self.move.source.moves.disk_size(self.move.vm, self.target)
        volume = volume_at(self.move.source, self.here)
        known = volume is not None and volume.exists
        capacity = size.capacity if size else capacity_of(volume) if known and volume else 0
        allocation = size.allocation if size else _allocation(volume) if known and volume else 0
        fate = self._as(
            COPIED,
            self.there.named,
            "it is on storage of the source alone",
            pool_there=self.there.pool,
            volume_there=self.there.volume,
            capacity=capacity,
            allocation=allocation,
            snapshots=self.inside.snapshots if self.inside else 0,
        )
        data = "" if self.move.is_live else self._data_elsewhere()
        if data:
            why = f"its data is in {data}"
            return fate._replace(how=FLATTENED, why=why, allocation=capacity, below=data)
        return fate if len(self.layers) < 2 else self._with_chain(fate)

    def _data_elsewhere(self) -> str:
        """A file beside the images in which their data is: their own bytes are without it."""
        told = next(filter(None, map(self.chains.data_of, self.layers)), "")
        is_so = self.inside is not None and self.inside.data_elsewhere
        return told or ("a file of its own" if is_so else "")

    @cached_property
    def inside(self) -> Inside | None:
        return self.move.source.moves.inside(self.move.vm, self.target)

    def _why_not_read(self) -> str:
        """Off, the image is read through its pool: QEMU, which could read any, does not run."""
        here = self.here
        if not here.pool:
            return (
                "it is in no storage pool of the source, through which it is read while it is off"
            )
        if self.move.source.pool(here.pool).live is None:
            return f"pool {here.pool} of the source is not active"
        known = volume_at(self.move.source, here)
        size = self.move.source.moves.disk_size(self.move.vm, self.target)
        if size is None and (known is None or not known.exists):
            return "its image is not there"
        return ""

    def _why_no_copy(self) -> str:
        if self.disk.find("shareable") is not None:
            return "it is shareable, and a copy would be another disk than that of the others"
        there = self.there
        pool = self.move.target.pool(there.pool) if there.pool else None
        if pool is None:
            return (
                "it is in no storage pool of the source, and the target has none for the folder "
                "that it is in"
            )
        if not pool.exists:
            return f"the target has no pool {there.pool} to copy it into"
        if pool.live is None:
            return f"pool {there.pool} of the target is not active"
        if type_of(pool) in NOT_FOR_VMS:
            return f"libvirt opens no volume of a pool of type {type_of(pool)} for a VM"
        if type_of(pool) not in MAKES_VOLUMES:
            return f"in pool {there.pool} of the target no volume can be made ({type_of(pool)})"
        if type_of(pool) in BLOCK_POOLS and self.known.format != "raw":
            return f"pool {there.pool} of the target has raw volumes only"
        return "" if self.move.is_live else self._why_not_read()

    def _with_chain(self, fate: DiskFate) -> DiskFate:
        """A copy of an image that stands on another: of the layer, or of both in one."""
        fate = fate._replace(below=", ".join(layer.path for layer in self.layers[1:]))
        wanted = self.move.options.backing
        below, why_not = self._kept()
        if not why_not and not self.move.running and below != self.layers[1].path:
            # Its bytes go over as they are, with the path of what it stands on among them.
            why_not = f"the target has that at another path, {below}"
        trusts = not why_not and (wanted == KEEP or self._is_trusted(self.layers[1]))
        if wanted == KEEP and why_not:
            return self._local(f"it stands on {self.layers[1].path}, and {why_not}")
        if wanted != FLATTEN and trusts:
            return fate._replace(
                how=LAYER,
                backing=below,
                backing_format=self.layers[1].format,
                why=f"the target has {below}, on which it stands",
            )
        allocation = fate.allocation + sum(map(self._allocation_of, self.layers[1:]))
        why = why_not or ("" if wanted == FLATTEN else "its content cannot be compared")
        told = f", and {why}" if why else ""
        return fate._replace(
            how=FLATTENED,
            allocation=min(allocation, fate.capacity or allocation),
            why=f"it stands on {self.layers[1].path}{told}",
        )

    def _kept(self) -> tuple[str, str]:
        """Where the target has the image below, and why it cannot be kept, if so."""
        there = [spot_there(self.move, spot_at(self.move.source, one.path)) for one in self._below]
        for layer, spot, next_one in zip(self._below, there, [*there[1:], None]):
            here = spot_at(self.move.source, layer.path)
            if why_shared(self.move, here):
                if spot.path != layer.path and next_one is not None:
                    return "", f"the target has {layer.path} at another path, {spot.path}"
                continue
            if not self._has_copy(here):
                return "", f"the target has no {spot.named or layer.path} of that size"
            volume = self._volume_there(here)
            named = backing_of(volume) if volume is not None else ""
            if named != (next_one.path if next_one else ""):
                return "", f"{spot.path} of the target stands on {named or 'nothing'}"
        return there[0].path, ""

    @property
    def _below(self) -> list[Layer]:
        return self.layers[1:]

    def _is_trusted(self, layer: Layer) -> bool:
        """Whether an image of that name and size is taken for the same one.

        Files of qcow2 differ in size where they differ in content, but for rare cases; raw ones are
        as large as their guests' disks whatever is in them.
        """
        return bool(why_shared(self.move, spot_at(self.move.source, layer.path))) or (
            layer.format == "qcow2"
        )

    def _allocation_of(self, layer: Layer) -> int:
        volume = volume_at(self.move.source, spot_at(self.move.source, layer.path))
        return _allocation(volume) if volume is not None and volume.exists else 0


def _allocation(volume: Have) -> int:
    return int(xmltree.get(volume.definition, "allocation") or 0)


def _sizes(volume: Have) -> tuple[str, int, int]:
    physical = int(xmltree.get(volume.definition, "physical") or 0)
    return format_of(volume), capacity_of(volume), physical
