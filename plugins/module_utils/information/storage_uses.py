# SPDX-License-Identifier: GPL-3.0-or-later
"""What the volumes of a host are there for: pure, of definitions and of records of snapshots."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from ..engine import xmltree
from ..engine.plan import Have
from ..engine.xmltree import Element
from ..kinds.images.servers import NETWORK, name_in, place_of
from ..kinds.storage_volume.volumes import image_in

Resolve = Callable[[str], str]  # a path to the one without links, as far as that can be told


def users_of_disks(domains: Iterable[Have]) -> dict[str, list[str]]:
    """The VMs, as stored and as they run, by what their disks are on: a path or `POOL/NAME`."""
    users: dict[str, set[str]] = {}
    for domain in domains:
        for tree in (domain.stored, domain.live):
            for source in tree.iterfind("devices/disk/source") if tree is not None else ():
                users.setdefault(_place(source), set()).add(domain.name)
    return {place: sorted(names) for place, names in users.items()}


def _place(source: Element) -> str:
    if source.get("pool"):
        return f"{source.get('pool')}/{source.get('volume')}"
    return place_of(source)


def users_of(volume: Have, users: Mapping[str, list[str]]) -> list[str]:
    """The VMs that have a disk on a volume."""
    return sorted({*users.get(image_in(volume.stored) or "-", ()), *users.get(volume.name, ())})


def is_folder(volume: Have) -> bool:
    """Whether libvirt lists a folder as a volume."""
    return volume.stored is not None and volume.stored.get("type") == "dir"


def named_in(trees: Iterable[Element], resolve: Resolve) -> set[str]:
    """All paths, images of servers, and volumes as `POOL/NAME`, that definitions or records say
    anywhere: of disks and what they stand on, of memory, NVRAM, kernels, and of notes."""
    return {
        named for tree in trees for element in tree.iter() for named in _named(element, resolve)
    }


def _named(element: Element, resolve: Resolve) -> Iterator[str]:
    for said in (element.text, *element.attrib.values()):
        if said and said.strip().startswith("/"):
            yield resolve(said.strip())
    if element.get("protocol"):
        yield name_in(NETWORK, element)
    if element.get("pool") and element.get("volume"):
        yield f"{element.get('pool')}/{element.get('volume')}"


def standing_on(volumes: Iterable[Have], resolve: Resolve) -> dict[str, list[str]]:
    """The volumes, by the path of what they stand on."""
    found: dict[str, list[str]] = {}
    for volume in volumes:
        below = xmltree.get(volume.stored, "backingStore/path") if volume.stored is not None else ""
        if below:
            found.setdefault(resolve(below), []).append(volume.name)
    return {path: sorted(names) for path, names in found.items()}


def provisioned(told: Mapping[str, Any], volumes: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What all volumes of a pool would hold if they were full, beside what it can hold."""
    whole = sum(int(one.get("capacity_bytes") or 0) for one in volumes)
    capacity = int(told.get("capacity_bytes") or 0)
    overcommit = {"overcommit": round(whole / capacity, 2)} if capacity else {}
    return {"provisioned_bytes": whole, **overcommit}
