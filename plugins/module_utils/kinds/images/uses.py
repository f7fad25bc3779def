# SPDX-License-Identifier: GPL-3.0-or-later
"""Who writes to, reads or stands on which image: every disk of every VM, and linked clones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from ...engine import xmltree
from ...engine.fields import items_of
from ...engine.mark import is_template
from ...engine.plan import Have
from ...engine.xmltree import Element
from ..storage_volume.volumes import backing_of, type_of
from ..vm.state_files import nvram_of
from ..vm.table import CDROMS, DISKS
from .chains import Chains

WRITES, READS, STANDS = "writes to", "reads", "stands on"
NVRAM = "NVRAM"
OF_DEVICES = ("fs", "disk", "logical")  # types of pools that fill devices of this machine
NOT_SHOWN = ("floppy", "lun")  # kinds of disks that no list of ours names


@dataclass(frozen=True)
class Use:
    """What one disk, NVRAM or clone does with one image."""

    user: str  # `vm/web`
    what: str  # `disks.root` or NVRAM; empty of a volume, which is its own user
    path: str
    does: str
    shared: bool = False
    top: str = ""  # the overlay or clone, of an image that something stands on
    lingers: bool = False  # only in what runs, until it is started anew

    @property
    def named(self) -> str:
        """How an error calls the user."""
        over = f" with {self.top}" if self.top and self.what else ""
        return f"{self.what} of {self.user}{over}" if self.what else self.user

    def is_no_more_than(self, old: Use) -> bool:
        """Whether it is in the way of nobody that one was not: it only reads now, or is shared."""
        same = replace(self, does=old.does, shared=old.shared) == old
        no_more = self.does == old.does or (old.does, self.does) == (WRITES, READS)
        return same and no_more and self.shared >= old.shared


def uses_of_domain(domain: Element, user: str, chains: Chains, deep: bool) -> Iterator[Use]:
    """The uses of a VM's definition. Chains that only headers tell are read where `deep`."""
    # What runs writes, a template or not: libvirt starts one for whoever asks.
    lies_still = is_template(domain) and domain.get("id") is None
    for name, disk in _disks(domain):
        for use in _uses_of_disk(name, disk, user, chains, deep):
            yield replace(use, does=READS) if lies_still and use.does == WRITES else use
    nvram = nvram_of(chains.world.host, domain)
    if nvram is not None and nvram.path:
        yield Use(user, NVRAM, nvram.path, WRITES)


def uses_of_volumes(volumes: Iterable[Have]) -> Iterator[Use]:
    """What linked clones stand on, in use or not."""
    for have in volumes:
        if backing_of(have):
            top = xmltree.get(have.definition, "target/path") or ""
            yield Use(f"{have.kind}/{have.name}", "", backing_of(have), STANDS, top=top)


def uses_of_pools(pools: Iterable[Have]) -> Iterator[Use]:
    """The devices that pools are made of, with the file system or volume group on them."""
    for have in pools:
        if type_of(have) in OF_DEVICES:
            for device in xmltree.find_all(have.definition, "source/device"):
                yield Use(f"{have.kind}/{have.name}", "", device.get("path", ""), WRITES)


def _disks(domain: Element) -> Iterator[tuple[str, Element]]:
    for row in (DISKS, CDROMS):
        for name, disk in items_of(row, domain).items():
            yield f"{row.name}.{name}", disk
    for disk in xmltree.find_all(domain, "devices/disk"):
        if disk.get("device") in NOT_SHOWN:
            yield f"{disk.get('device')} {xmltree.get(disk, 'target/@dev')}", disk


def _uses_of_disk(name: str, disk: Element, user: str, chains: Chains, deep: bool) -> Iterator[Use]:
    layers = chains.of(disk) if deep else chains.told(disk)[0]
    shared = disk.find("shareable") is not None
    for place, layer in enumerate(layers):
        if layer.path:
            does = _what_it_does(disk) if place == 0 else STANDS
            top = layers[0].path if place else ""
            yield Use(user, name, layer.path, does, shared and place == 0, top)
            data = chains.data_of(layer) if deep else ""
            if data:
                yield Use(user, name, data, does, shared and place == 0, layer.path)
    for path in _others_written(disk, chains):
        yield Use(user, name, path, WRITES)


def _what_it_does(disk: Element) -> str:
    if disk.get("device") == "cdrom" or disk.find("readonly") is not None:
        return READS
    # What a transient disk writes is thrown away, in an overlay that lasts as long as it runs.
    return STANDS if disk.find("transient") is not None else WRITES


def _others_written(disk: Element, chains: Chains) -> Iterator[str]:
    """Where a block job copies a disk to, and where the data of an image is if not in it."""
    for part in ("mirror", "source/dataStore"):
        found = disk.find(part)
        source = found.find("source") if found is not None else None
        if found is not None and source is not None:
            path = chains.source(found.get("type", "file"), source)
            if path:
                yield path


def places_of(uses: Iterable[Use], chains: Chains) -> dict[str, list[Use]]:
    """Uses by the place of what they use, whatever path leads there."""
    by_place: dict[str, list[Use]] = {}
    for use in uses:
        by_place.setdefault(chains.place(use.path), []).append(use)
    return by_place
