# SPDX-License-Identifier: GPL-3.0-or-later
"""Images that need an image, and that neither a VM nor a pool tells of, by their headers.

They are looked for in the folder of the image and in those of all pools. libvirt lists what it saw
when it last looked at a pool, and nothing of one that is not active. A snapshot's overlay of a VM
that went, a clone made by qemu-img, and the image of an external data file are often newer, or in
no pool.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from functools import cached_property
from itertools import chain

from ...engine import xmltree
from ...engine.looked_at import Unreadable
from ..storage_volume.volumes import FILE_POOLS, type_of
from ..vm import moved
from .chains import Chains
from .headers import backing_path
from .uses import STANDS, WRITES, Use


class Beside:
    """The headers of the files in folders of this machine; each folder is read once."""

    def __init__(self, chains: Chains) -> None:
        self.chains = chains
        self._told: dict[str, list[tuple[str, str, str]]] = {}

    def uses_of(self, path: str) -> Iterator[Use]:
        """What the files beside an image say of it; nothing from another machine."""
        chains = self.chains
        is_file = path.startswith("/") and not path.startswith("/dev/")
        if not chains.world.host.is_local or not is_file:
            return
        place = chains.place(path)
        folders = {self.chains.place(one): one for one in (posixpath.dirname(path), *self._pools)}
        for file, backing, data in chain.from_iterable(map(self._in, folders.values())):
            # An overlay older than what it stands on was merged into it, and is left over.
            if backing == place and not moved.is_outdated(file, path, chains):
                yield Use(file, "", path, STANDS, top=file)
            if data == place:
                yield Use(file, "", path, WRITES, top=file)

    @cached_property
    def _pools(self) -> list[str]:
        """The folders of the pools of files, of those that are not active too."""
        pools = self.chains.world.everything("storage_pool").values()
        of_files = (pool.definition for pool in pools if type_of(pool) in FILE_POOLS)
        return [path for path in (xmltree.get(tree, "target/path") for tree in of_files) if path]

    def _in(self, folder: str) -> list[tuple[str, str, str]]:
        """Each image that needs another, with the places of what it stands on and of its data."""
        if folder not in self._told:
            self._told[folder] = list(self._read(folder))
        return self._told[folder]

    def _read(self, folder: str) -> Iterator[tuple[str, str, str]]:
        host = self.chains.world.host
        for name, kind in (host.folder(folder) or {}).items():
            file = posixpath.join(folder, name)
            found = host.image(file) if kind == "file" else None
            if found is None or isinstance(found, Unreadable):
                continue
            needed = [backing_path(one, file) for one in (found.backing, found.data_file)]
            if any(needed):
                backing, data = (self.chains.place(one) if one else "" for one in needed)
                yield file, backing, data
