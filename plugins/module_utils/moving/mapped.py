# SPDX-License-Identifier: GPL-3.0-or-later
"""The definition of a VM as the target is given it: other names of pools, vswitches and images.

The guest sees the same hardware. The same function makes what is stored there, what runs there and
what libvirt is asked to judge.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..engine import xmltree
from ..engine.vlans import ON_LINUX_BRIDGES
from ..engine.xmltree import Element
from ..kinds.vm.noted_vlans import put_in_place
from .fate import EMPTY, SHARED, DiskFate
from .move import Move
from .spots import Spot, source_there, spot_of

# Which type a disk has by the options of its source.
TYPES = {"file": "file", "device": "block", "pool": "volume"}
ATTRIBUTES = {"file": "file", "device": "dev", "pool": "pool", "volume": "volume"}


def definition_there(move: Move, fates: Iterable[DiskFate], tree: Element) -> Element:
    """A copy of a definition of the VM, stored or live, as it is to be at the target."""
    there = xmltree.clone(tree)
    by_image = {(fate.target, fate.source): fate for fate in fates}
    for disk in there.findall("devices/disk"):
        # What is stored may have another image behind a target than what runs.
        image = spot_of(move.source, disk).named
        fate = by_image.get((xmltree.get(disk, "target/@dev") or "", image))
        if fate is not None:
            _put_disk(move, fate, disk)
    for nic in there.findall("devices/interface"):
        _put_nic(nic, move.options.vswitches)
    if move.target.host.libvirt_version >= ON_LINUX_BRIDGES:
        put_in_place(there)  # by a libvirt that has them itself
    return there


def _put_disk(move: Move, fate: DiskFate, disk: Element) -> None:
    if fate.how == EMPTY:
        for source in disk.findall("source"):
            disk.remove(source)
    elif fate.is_copied:
        # What the copy stands on is in its header; a chain told here would have to be the same.
        for below in disk.findall("backingStore"):
            disk.remove(below)
        _put_source(move, fate, disk)
    elif fate.how == SHARED and _is_elsewhere(fate, disk):
        _put_source(move, fate, disk)


def _is_elsewhere(fate: DiskFate, disk: Element) -> bool:
    """Whether what both have is called another thing at the target."""
    by_pool = disk.get("type") == "volume" and fate.pool_there != fate.pool
    return by_pool or fate.there != fate.source


def _put_source(move: Move, fate: DiskFate, disk: Element) -> None:
    """Name another image; what else is said of the source (its aliases, slices) stays."""
    spot = Spot(fate.there, fate.pool_there, fate.volume_there)
    said = source_there(move, spot)
    if disk.get("type") == "volume" and spot.pool:  # as it was declared
        said = {"pool": spot.pool, "volume": spot.volume}
    put_source(disk, said)


def put_source(disk: Element, said: Mapping[str, str]) -> None:
    """Name another image in a disk, in place, by the options of a disk."""
    source = xmltree.ensure(disk, "source")
    for attribute in ATTRIBUTES.values():
        source.attrib.pop(attribute, None)
    disk.set("type", next(TYPES[name] for name in said if name in TYPES))
    for name, value in said.items():
        source.set(ATTRIBUTES[name], value)


def _put_nic(nic: Element, vswitches: Mapping[str, str]) -> None:
    source = nic.find("source")
    name = "" if source is None else source.get("network", "")
    if source is not None and name in vswitches:
        source.set("network", vswitches[name])
        for assigned in ("portid", "bridge"):
            source.attrib.pop(assigned, None)
