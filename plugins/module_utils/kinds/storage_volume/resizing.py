# SPDX-License-Identifier: GPL-3.0-or-later
"""Why nothing can resize a volume that is there."""

from __future__ import annotations

from ...engine import xmltree
from ...engine.looked_at import Image
from ...engine.plan import Have
from ...engine.units import format_size, parse_size
from ...engine.world import World
from ...engine.xmltree import Element
from ..images.chains import Chains, Layer
from .volumes import capacity_of, format_of

RESIZABLE = ("raw", "qcow2", "qed")  # the formats that QEMU can resize
OLD = 2  # the version of qcow2 that is called compat 0.10


def why_it_stays(have: Have, world: World) -> str:
    """Why nothing can resize a volume, one that others made, or one that is encrypted; empty where
    something can.

    libvirt forgets by which secret it made one, and then looks for one that is called by its path.
    """
    if have.definition.get("type") == "dir":
        return "is a folder"
    path = xmltree.get(have.definition, "target/path") or ""
    encryption = have.definition.find("target/encryption")
    if encryption is not None and encryption.find("secret") is None:
        from ..together.secrets import lacks

        missing = lacks(world, "passphrase", Element("secret", {"usage": path}))
        if missing:
            return f"is encrypted, and {missing}, by which libvirt would open it, is not there,"
    form = format_of(have)
    if form not in RESIZABLE:
        return f"is {form}, which qemu-img cannot resize,"
    gone = Chains(world).missing_below(Layer(path, form))
    if gone:
        return f"needs {gone}, which is not there,"
    if form == "qcow2" and _is_old_with_snapshots(path, world):
        return (
            f"has snapshots in it and compat 0.10, in which QEMU resizes none (qemu-img amend -f "
            f"qcow2 -o compat=1.1 {path} makes it a newer one while no VM uses it),"
        )
    return ""


def why_too_small(have: Have, capacity: str) -> str:
    """Why a volume that no VM runs on cannot have a capacity: libvirt gives none less than it takes
    (storageVolResize), be it for snapshots that are in it; empty where it can."""
    takes = int(xmltree.get(have.definition, "allocation") or 0)
    if parse_size(capacity) >= takes:
        return ""
    if have.definition.get("type") == "network" and takes >= capacity_of(have):
        return "is in Ceph, and libvirt takes it for full (rbd resize --allow-shrink does it),"
    return (
        f"takes {format_size(takes)}, below which libvirt sets no capacity; have the guest discard "
        "what it does not need, or copy it to a new volume: it"
    )


def _is_old_with_snapshots(path: str, world: World) -> bool:
    """Whether QEMU would not know how large it was at each of its snapshots."""
    image = world.host.image(path) if world.host.is_local and path.startswith("/") else None
    if not isinstance(image, Image) or image.layout is None:
        return False
    return image.layout.version == OLD and image.snapshots > 0
