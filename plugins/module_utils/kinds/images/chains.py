# SPDX-License-Identifier: GPL-3.0-or-later
"""What disks stand on: an image, what is below it (snapshots, linked clones), and so on down.

libvirt tells the whole chain of what runs, and in a stored definition what it knows from taking a
snapshot. The rest stands in the headers of the images; where they cannot be read (another machine,
another user's file) libvirt tells it of the volumes.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from ...engine import xmltree
from ...engine.looked_at import Unreadable
from ...engine.plan import Have
from ...engine.world import World
from ...engine.xmltree import Element
from ..storage_volume.volumes import backing_of, disk_source, format_of
from .headers import backing_path
from .servers import name_in, name_of

LONGEST = 200  # images in a chain; libvirt itself takes no more


@dataclass(frozen=True)
class Layer:
    """One image of a chain. Below a raw one there is nothing, whatever a guest wrote into it."""

    path: str
    format: str = ""


class Chains:
    """The chains of images on one host; each image is looked at once."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._below: dict[str, Layer | None] = {}
        self._data_of: dict[str, str] = {}

    def place(self, path: str) -> str:
        """What is the same for all paths to one file or device; of what is no path, itself."""
        if not path.startswith("/"):  # an empty drive, or an image that only has a name
            return path
        host = self.world.host
        return host.place(path) if host.is_local else posixpath.normpath(path)

    def source(self, kind: str, source: Element) -> str:
        """The path of a source in a domain's XML; of one without, a name that is only its own."""
        if source.get("volume"):
            pool = self.world.will_be("storage_pool", source.get("pool", ""))
            options = {name: source.get(name, "") for name in ("pool", "volume")}
            return image_of(disk_source(pool, options["volume"]) if pool.exists else options)
        path = source.get("file") or source.get("dev") or source.get("dir")
        return path or name_in(kind, source)

    def of(self, disk: Element) -> list[Layer]:
        """The images of a disk, from the one that it reads and writes down to the last."""
        told, ended = self.told(disk)
        return told + ([] if ended or not told else list(self.below(told[-1])))

    def below(self, layer: Layer) -> Iterator[Layer]:
        """What an image stands on, and what that stands on."""
        seen = {self.place(layer.path)}
        while layer.format != "raw" and len(seen) < LONGEST:
            next_one = self._next(layer.path)
            if next_one is None or self.place(next_one.path) in seen:
                return
            yield next_one
            layer = next_one
            seen.add(self.place(layer.path))

    def missing_below(self, layer: Layer) -> str:
        """What an image cannot be opened without and is not there: what it stands on, or its data.

        Empty where all is there, comes in this run, or is nothing that can be looked at.
        """
        layers = [layer, *self.below(layer)]
        needed = (*(one.path for one in layers[1:]), *(self.data_of(one) for one in layers))
        return next((one for one in needed if self.is_gone(one)), "")

    def is_gone(self, path: str) -> bool:
        """Whether nothing is at a path, and nothing comes there in this run."""
        comes = not path.startswith("/") or self.place(path) in self._planned_volumes
        return not comes and self.world.host.exists(path) is False

    def data_of(self, layer: Layer) -> str:
        """Where the data of an image is, if it is in another file than the image."""
        if layer.format == "raw" or not layer.path.startswith("/"):
            return ""
        self._next(layer.path)
        return self._data_of.get(layer.path, "")

    def told(self, disk: Element) -> tuple[list[Layer], bool]:
        """What the XML of a disk says of its chain, and whether it says where that ends."""
        told: list[Layer] = []
        part: Element | None = disk
        while part is not None:
            source = part.find("source")
            if source is None:
                return told, bool(told)
            where = "driver/@type" if part is disk else "format/@type"
            form = xmltree.get(part, where) or ("raw" if part is disk else "")
            told.append(Layer(self.source(part.get("type", "file"), source), form))
            part = part.find("backingStore")
        return told, False

    def _next(self, path: str) -> Layer | None:
        if path not in self._below:
            self._below[path] = self._read(path) if path.startswith("/") else None
        return self._below[path]

    def _read(self, path: str) -> Layer | None:
        if not self.world.host.is_local:
            return self._of_volume(path, self._all_volumes)
        found = self.world.host.image(path)
        if isinstance(found, Unreadable):
            if found.broken:
                return None
            known = self._planned_volumes if found.missing else self._all_volumes
            return self._of_volume(path, known)
        self._data_of[path] = backing_path(found.data_file, path)
        where = backing_path(found.backing, path)
        return Layer(where, found.backing_format) if where else None

    def _of_volume(self, path: str, volumes: Mapping[str, Have]) -> Layer | None:
        """What libvirt tells of the volume at a path, or a plan of one that is to come."""
        have = volumes.get(self.place(path))
        if have is None or format_of(have) == "raw" or not backing_of(have):
            return None
        form = xmltree.get(have.definition, "backingStore/format/@type")
        return Layer(backing_of(have), form or "")

    @cached_property
    def _planned_volumes(self) -> dict[str, Have]:
        return self._places(self.world.planned("storage_volume"))

    @cached_property
    def _all_volumes(self) -> dict[str, Have]:
        """Asked for in one batch."""
        return self._places(self.world.everything("storage_volume").values())

    def _places(self, volumes: Iterable[Have]) -> dict[str, Have]:
        paths = {xmltree.get(h.definition, "target/path") or "": h for h in volumes if h.exists}
        return {self.place(path): have for path, have in paths.items() if path}


def image_of(source: Mapping[str, str]) -> str:
    """The path of an image in the options of a disk; of one without, what only it is called."""
    if "pool" in source:
        return f"{source['pool']}:{source['volume']}"
    return source.get("file") or source.get("device") or name_of(source)
