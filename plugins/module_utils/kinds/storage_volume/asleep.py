# SPDX-License-Identifier: GPL-3.0-or-later
"""The volumes of a folder whose pool is not active, as libvirt will tell of them once it is.

libvirt forgets the volumes of a pool that it stops. A plan that starts the pool has to know them
all the same: what is declared of them may be there already, or be there otherwise.
"""

from __future__ import annotations

import stat
from pathlib import Path

from ...engine import xmltree
from ...engine.looked_at import Image
from ...engine.xmltree import Element
from ...host import images
from ...host.connection import Host
from ..images.headers import backing_path


def folder_of(host: Host, pool: Element) -> Path | None:
    """The folder of a pool that shows it without being active; None if there is none to be seen.

    Other pools of files mount something there first.
    """
    path = xmltree.get(pool, "target/path")
    is_seen = host.is_local and pool.get("type") == "dir"
    return Path(path) if is_seen and path else None


def _seconds(ns: int) -> str:
    """A time to the letter as libvirt writes it; a float has not room for all of it."""
    seconds, rest = divmod(ns, 10**9)
    return f"{seconds}.{rest:09d}" if rest else str(seconds)


def volume_at(path: Path) -> Element | None:
    """A file or folder as libvirt tells of it; None where nothing is. OSError, ValueError if it
    cannot be read."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    is_folder = stat.S_ISDIR(found.st_mode)
    if not is_folder and not stat.S_ISREG(found.st_mode):
        raise ValueError("is neither a file nor a folder")
    image = Image("dir", 0) if is_folder else images.inspect(str(path))
    volume = xmltree.parse(f"<volume type='{'dir' if is_folder else 'file'}'/>")
    said = {
        "name": path.name,
        "key": str(path),
        "capacity": str(image.capacity),
        "allocation": str(found.st_blocks * 512),
        "physical": str(found.st_size),
        "target/path": str(path),
        "target/format/@type": image.format,
        "target/permissions/mode": f"{stat.S_IMODE(found.st_mode):04o}",
        "target/permissions/owner": str(found.st_uid),
        "target/permissions/group": str(found.st_gid),
        "target/timestamps/mtime": _seconds(found.st_mtime_ns),
    }
    for at, value in said.items():
        xmltree.put(volume, at, value)
    for at in ("capacity", "allocation", "physical"):
        xmltree.put(volume, f"{at}/@unit", "bytes")
    _put_layout(volume, image)
    if image.backing:
        xmltree.put(volume, "backingStore/path", backing_path(image.backing, str(path)))
        xmltree.put(volume, "backingStore/format/@type", image.backing_format or "raw")
    return volume


def _put_layout(volume: Element, image: Image) -> None:
    layout = image.layout
    if layout is None:
        return
    if layout.version >= 3:
        xmltree.put(volume, "target/compat", "1.1")
    xmltree.put(volume, "target/clusterSize", str(layout.cluster_size))
    xmltree.put(volume, "target/clusterSize/@unit", "B")
    features = {"lazy_refcounts": layout.lazy_refcounts, "extended_l2": layout.extended_l2}
    for name in (name for name, is_on in features.items() if is_on):
        xmltree.ensure(volume, f"target/features/{name}")
