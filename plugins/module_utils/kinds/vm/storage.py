# SPDX-License-Identifier: GPL-3.0-or-later
"""The volumes that go with a VM: only where the user wrote `remove_storage`, and only its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...engine import xmltree
from ...engine.errors import Mistakes
from ...engine.fields import items_of
from ...engine.host import HostFacts
from ...engine.keys import ABSENT
from ...engine.plan import Have, Wanted
from ...engine.world import World
from ..storage_volume.volumes import KIND as VOLUME
from .own_images import Images, OwnImages
from .table import DISKS


def volumes_behind(world: World, going: Sequence[Wanted]) -> list[Wanted]:
    """The volumes behind the disks of VMs that go with their storage, declared absent."""
    haves = world.read("vm", [one.name for one in going])
    images, mistakes = OwnImages(world), Mistakes()
    volumes: dict[str, Wanted] = {}
    for one in going:
        for name in _volumes_of(images, haves[one.name], mistakes):
            needs = frozenset({("vm", one.name)})
            volumes[name] = Wanted("storage_volume", name, ABSENT, needs=needs)
    mistakes.raise_any()
    return list(volumes.values())


def _volumes_of(images: OwnImages, have: Have, mistakes: Mistakes) -> Iterator[str]:
    """`POOL/NAME` of every disk that is a volume and is this VM's alone, overlays included."""
    for disk, found_images in images.of(have):
        if _why_it_stays(disk):
            continue
        if len(found_images.own) == 1 and not found_images.unclear:
            volumes = [_volume_of(images.host, disk)]
        else:
            volumes = [images.host.volume_at(path) for path in found_images.own]
            _check_overlays(have, disk, found_images, volumes, mistakes)
        volumes += [images.host.volume_at(path) for path in found_images.left]
        yield from filter(None, volumes)


def _check_overlays(
    have: Have, disk: xmltree.Element, images: Images, volumes: Sequence[str], mistakes: Mistakes
) -> None:
    """All the images of a snapshot go together, or none of them does."""
    resource, field = f"vm/{have.name}", f"disks.{xmltree.get(disk, 'target/@dev')}"
    if images.unclear:
        mistakes.add(
            f"writes to the overlay {images.own[0]}, which stands on {images.below[0]}, and no "
            "snapshot says whose that is; merge it first (virsh blockcommit), or remove the VM "
            "without remove_storage and each by storage_volume",
            field,
            resource,
        )
    lost = [path for path, volume in zip(images.own, volumes) if not volume]
    if lost and any(volumes):
        mistakes.add(
            f"stands on {' and '.join(images.own)}, of which {' and '.join(lost)} is in no storage "
            "pool and would stay without the rest; merge the snapshots first (virsh blockcommit)",
            field,
            resource,
        )


def disks_that_stay(world: World, have: Have) -> Iterator[tuple[str, str, str]]:
    """What a VM that goes with its storage leaves: each disk's name, where it is, and why."""
    below = {
        xmltree.get(disk, "target/@dev"): images.below
        for disk, images in OwnImages(world).of(have)
        if images.below
    }
    for name, disk in items_of(DISKS, have.definition).items():
        where = _where(disk)
        why = _why_it_stays(disk) or (
            "" if _volume_of(world.host, disk) else _why_no_volume(world.host, where)
        )
        if where and why:
            yield name, where, why
        for path in below.get(xmltree.get(disk, "target/@dev"), ()) if not why else ():
            if not _goes_too(world, path):
                yield name, path, "is what it stands on, and may be others' too"
    for number, module in enumerate(have.definition.findall("devices/memory/source/path")):
        yield f"nvdimm{number}", (module.text or "").strip(), "is a memory module's"


def _goes_too(world: World, path: str) -> bool:
    """Whether the volume at a path goes in the same run."""
    if not any(of == VOLUME and one.state == ABSENT for (of, _name), one in world.declared.items()):
        return False
    declared = world.declared.get((VOLUME, world.host.volume_at(path)))
    return declared is not None and declared.state == ABSENT


def _why_it_stays(disk: xmltree.Element) -> str:
    """Why a disk is not removed with its VM, whatever it is on; empty if nothing keeps it."""
    if disk.get("device", "disk") != "disk":
        return "is a medium"
    if disk.find("shareable") is not None:
        return "is shareable"
    return "is read-only" if disk.find("readonly") is not None else ""


def _why_no_volume(host: HostFacts, where: str) -> str:
    is_gone = where.startswith("/") and host.exists(where) is False
    return "is not there any more" if is_gone else "is in no storage pool"


def _volume_of(host: HostFacts, disk: xmltree.Element) -> str:
    """`POOL/NAME` of the volume that a disk is on, empty where it is on something else."""
    source = disk.find("source")
    if source is None:
        return ""
    if source.get("pool"):
        return f"{source.get('pool')}/{source.get('volume')}"
    path = source.get("file") or source.get("dev")
    return host.volume_at(path) if path else ""


def _where(disk: xmltree.Element) -> str:
    source = disk.find("source")
    named = ("file", "dev", "volume", "name", "path", "dir")
    return (
        "" if source is None else next((source.get(at, "") for at in named if source.get(at)), "")
    )
