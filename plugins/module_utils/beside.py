# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images in the same folder that need an image, and that neither a VM nor a pool tells of.

libvirt lists what it saw when it last looked at a pool. A snapshot's overlay of a VM that went, a
clone made by qemu-img, and the image of an external data file are often newer, or in no pool.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from ansible_collections.kvm.fleet.plugins.module_utils import images
from ansible_collections.kvm.fleet.plugins.module_utils.chains import Chains, backing_path
from ansible_collections.kvm.fleet.plugins.module_utils.image_uses import STANDS, WRITES, Use
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm import moved


def uses_beside(path: str, chains: Chains) -> Iterator[Use]:
    """What the headers of the files beside an image say of it; nothing from another machine."""
    if not chains.world.host.is_local or not path.startswith("/") or path.startswith("/dev/"):
        return
    place = chains.place(path)
    for file in _files(Path(path).parent):
        try:
            found = images.inspect(file)
        except (OSError, ValueError):
            continue
        backing, data = (backing_path(one, file) for one in (found.backing, found.data_file))
        # An overlay that is older than what it stands on was merged into it, and is left over.
        if backing and chains.place(backing) == place and not moved.is_outdated(file, path, chains):
            yield Use(file, "", path, STANDS, top=file)
        if data and chains.place(data) == place:
            yield Use(file, "", path, WRITES, top=file)


def _files(folder: Path) -> Iterator[str]:
    try:
        with os.scandir(folder) as found:
            yield from sorted(one.path for one in found if one.is_file(follow_symlinks=False))
    except OSError:
        return
