# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose a UUID is on a host, as a fact."""

from __future__ import annotations

from .connection import Host, found, libvirt

CALLS = {
    "vm": ("lookupByUUIDString", "VIR_ERR_NO_DOMAIN"),
    "vswitch": ("networkLookupByUUIDString", "VIR_ERR_NO_NETWORK"),
    "storage_pool": ("storagePoolLookupByUUIDString", "VIR_ERR_NO_STORAGE_POOL"),
}


def owner_of(host: Host, kind: str, uuid: str) -> str | None:
    """The name of the resource of a kind that has a UUID; None where none has, or can have."""
    if kind not in CALLS:
        return None
    call, missing = CALLS[kind]
    with host.errors("", "look for a UUID"):
        owner = found(getattr(host.conn, call), uuid, getattr(libvirt, missing))
    return None if owner is None else str(owner.name())
