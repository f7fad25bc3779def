# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of the images below a disk are the VM's own: those that its snapshots left there.

Below an overlay there may as well be what the VM was cloned from, which is others' too. libvirt's
record of a snapshot says to what the disk wrote before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ...engine import xmltree
from ...engine.plan import Have
from ...engine.world import World
from ...engine.xmltree import Element
from ..images.chains import Chains, Layer
from . import snapshots
from .snapshots import Snapshot


@dataclass(frozen=True)
class Images:
    """The images of one disk, from the one that the VM writes to down."""

    own: tuple[str, ...]
    below: tuple[str, ...]  # what its own stand on
    left: tuple[str, ...] = ()  # what a merge left over: in the chain no more, but on its own
    unclear: bool = False  # an overlay is there, and no record says whose the image below it is


class OwnImages:
    """The images of the disks of VMs on a host."""

    def __init__(self, world: World) -> None:
        self.host = world.host
        self.chains = Chains(world)

    def of(self, have: Have) -> Iterator[tuple[Element, Images]]:
        """Each disk of a VM with its images; two where it runs on others than are stored."""
        known = snapshots.snapshots_of(self.host, have.name)
        seen = set()
        for tree in (have.stored, have.live):
            for disk in xmltree.find_all(tree, "devices/disk") if tree is not None else ():
                images = images_of(disk, self.chains, known)
                if images.own[:1] not in seen:
                    seen.add(images.own[:1])
                    yield disk, images


def images_of(disk: Element, chains: Chains, known: Sequence[Snapshot]) -> Images:
    """The images of a disk, by its chain and by what is known of snapshots."""
    chain = [layer.path for layer in chains.of(disk)]
    target = xmltree.get(disk, "target/@dev") or ""
    former = {chains.place(path) for path in _former(known, target)}
    count = 1
    while count < len(chain) and chains.place(chain[count]) in former:
        count += 1
    # Of what runs libvirt tells every chain, of what is stored only one that it made itself.
    runs = xmltree.get(disk, "source/@index") is not None
    told = disk.find("backingStore/source") is not None and not runs
    unclear = told and count == 1 and len(chain) > 1
    own = tuple(chain[:count])
    return Images(
        own,
        tuple(chain[count:]),
        tuple(_left_over(_former(known, target), chain, own, chains)),
        unclear,
    )


def _former(known: Sequence[Snapshot], target: str) -> list[str]:
    """All that a disk wrote to at any time, by what is known of snapshots."""
    recorded = (one.get(target) for snap in known for one in (snap.overlays, snap.bases))
    return list(dict.fromkeys(path for path in recorded if path))


def _left_over(
    former: Sequence[str], chain: Sequence[str], own: Sequence[str], chains: Chains
) -> Iterator[str]:
    """What a merge of a part of the chain (virsh blockpull, blockcommit) left beside it, and is
    nothing without what it stands on; or a removal that was cut off, once the disk was gone."""
    in_chain, mine = ({chains.place(path) for path in paths} for paths in (chain, own))
    is_gone = bool(own) and chains.world.host.exists(own[0]) is False
    for path in former:
        below = {chains.place(layer.path) for layer in chains.below(Layer(path))}
        if chains.place(path) not in in_chain and (below & mine or is_gone):
            yield path
