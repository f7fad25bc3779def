# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan for one snapshot looks at: its VM, the snapshots beside it, and what is declared."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from ...engine import xmltree
from ...engine.errors import Mistakes
from ...engine.plan import Have, Wanted
from ...engine.world import World
from ...engine.xmltree import Element
from ..images.chains import Chains
from ..images.one_writer import Images
from ..images.uses import READS, STANDS, WRITES, Use
from ..vm.snapshots import Snapshot, snapshots_of
from ..vm.states import PAUSED, RUNNING
from .names import parts_of

DELETES_EXTERNAL = 9_000_000
DELETES_MEMORY_FILE = 9_001_000
INTERNAL_OFF_UEFI = 9_003_000
REVERTS_EXTERNAL = 9_009_000
DELETES_OFF_TOP = 9_009_000  # older ones look for an overlay where a VM that is off writes to
INTERNAL_UEFI = 10_010_000  # 10.9 takes them, and goes back to none
REVERTS_DISK_ONLY = 10_010_000
INTERNAL_BESIDE_CHECKPOINTS = 11_002_000  # older ones look at a QEMU that does not run
KEEPS_INTERNAL_PARENT = 11_000_000  # older ones remove its image with a leaf beside it


@dataclass
class Case:
    """A plan in the making."""

    wanted: Wanted
    have: Have
    world: World
    mistakes: Mistakes = field(init=False)
    warnings: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.mistakes = Mistakes(self.wanted.resource)

    @property
    def vm_name(self) -> str:
        return parts_of(self.wanted.name)[0]

    @property
    def name(self) -> str:
        return parts_of(self.wanted.name)[1]

    @cached_property
    def vm(self) -> Have:
        """The VM."""
        return self.world.will_be("vm", self.vm_name)

    @property
    def state(self) -> str:
        """Its power state."""
        return str(self.vm.facts.get("state"))

    @property
    def runs(self) -> bool:
        """Whether QEMU has its images open."""
        return self.state in (RUNNING, PAUSED)

    @property
    def definition(self) -> Element:
        """What runs; of what does not, what is stored."""
        return self.vm.running if self.runs and self.vm.live is not None else self.vm.definition

    @cached_property
    def known(self) -> list[Snapshot]:
        """All its snapshots, the oldest first."""
        return snapshots_of(self.world.host, self.vm_name)

    def inner(self, target: str) -> list[tuple[str, str]]:
        """QEMU's number and name of each snapshot inside of the image that a disk writes to; none
        where nobody can tell."""
        return self.world.host.inner_snapshots(self.vm_name, target) or []

    @cached_property
    def taken(self) -> Snapshot | None:
        """The snapshot that the declaration is about."""
        return next((one for one in self.known if one.name == self.name), None)

    @property
    def libvirt(self) -> int:
        """The version of libvirt: 9000000 is 9.0."""
        return self.world.host.libvirt_version

    @property
    def libvirt_named(self) -> str:
        """The same as a user knows it."""
        return release(self.libvirt)

    @cached_property
    def chains(self) -> Chains:
        """What disks stand on."""
        return Chains(self.world)

    def place(self, path: str) -> str:
        """What is the same for all names of a file."""
        return self.chains.place(path)

    @cached_property
    def chain_of(self) -> dict[str, list[str]]:
        """Of each disk, by its target, the images from the one that is written to down."""
        found = {}
        for disk in xmltree.find_all(self.definition, "devices/disk"):
            layers = self.chains.of(disk)
            found[xmltree.get(disk, "target/@dev") or ""] = [layer.path for layer in layers]
        return found

    def above(self, one: Snapshot) -> list[Snapshot]:
        """The snapshots from which one comes, the nearest first."""
        by_name = {other.name: other for other in self.known}
        found: list[Snapshot] = []
        parent = by_name.get(one.parent)
        while parent is not None and parent not in found:
            found.append(parent)
            parent = by_name.get(parent.parent)
        return found

    def children(self, one: Snapshot) -> list[Snapshot]:
        """The snapshots that come from one."""
        return [other for other in self.known if other.parent == one.name]

    @cached_property
    def _images(self) -> Images:
        return Images([], self.world)

    @cached_property
    def _own(self) -> set[str]:
        """Where the images of the VM are, by its chains and by the records of its snapshots."""
        recorded = [
            path
            for one in self.known
            for paths in (one.overlays, one.bases)
            for path in paths.values()
        ]
        chained = [path for chain in self.chain_of.values() for path in chain[:1]]
        return {self.place(path) for path in (*recorded, *chained)}

    def others_on(self, path: str) -> list[str]:
        """Who else has to do with an image: other VMs, and clones that stand on it."""
        told = self._images.at(path)
        found = [*told, *self._images.standing_beside(path, told)]
        return sorted({use.named for use in found if self._is_others(use)})

    def _is_others(self, use: Use) -> bool:
        if use.user == f"vm/{self.vm_name}":
            return False
        if use.top and self.place(use.top) in self._own:
            return False
        return use.does in (STANDS, READS, WRITES)


def release(version: int) -> str:
    """A version as libvirt's releases are called: 9.10."""
    return f"{version // 1_000_000}.{version // 1_000 % 1_000}"
