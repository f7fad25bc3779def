# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose a UUID is on a host, and what it has by name, as facts."""

from __future__ import annotations

from .connection import Host, found, libvirt
from .secrets import usage_type_of

CALLS = {
    "vm": ("lookupByUUIDString", "VIR_ERR_NO_DOMAIN"),
    "vswitch": ("networkLookupByUUIDString", "VIR_ERR_NO_NETWORK"),
    "storage_pool": ("storagePoolLookupByUUIDString", "VIR_ERR_NO_STORAGE_POOL"),
    "secret": ("secretLookupByUUIDString", "VIR_ERR_NO_SECRET"),
}


def owner_of(host: Host, kind: str, uuid: str) -> str | None:
    """The name of the resource of a kind that has a UUID; None where none has, or can have."""
    if kind not in CALLS:
        return None
    call, missing = CALLS[kind]
    with host.errors("", "look for a UUID"):
        owner = found(getattr(host.conn, call), uuid, getattr(libvirt, missing))
    if owner is None:
        return None
    if kind == "secret":  # which has a type, and a name that only secrets of its type lack
        return f"{usage_type_of(owner)}/{owner.usageID() or uuid}"
    return str(owner.name())


def names_of(host: Host, call: str, flags: int = 0) -> list[str] | None:
    """The names of what a call lists; None where its driver is not installed."""
    try:
        return sorted(one.name() for one in getattr(host.conn, call)(flags))
    except libvirt.libvirtError:
        if not host.is_alive():
            raise
        return None
