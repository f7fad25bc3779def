# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's secrets, as facts: which there are, never what they are."""

from __future__ import annotations

from typing import Any

from ..engine.host import Secret
from .connection import Host, libvirt

# VIR_SECRET_USAGE_TYPE_*, in their order.
USAGE_TYPES = ("none", "volume", "ceph", "iscsi", "tls", "vtpm")


def read_secrets(host: Host) -> list[Secret] | None:
    """All secrets; None where the driver has none to tell of."""
    found = all_secrets(host)
    return None if found is None else sorted(_secret(one) for one in found)


def all_secrets(host: Host) -> list[Any] | None:
    """libvirt's own objects of them."""
    try:
        return list(host.conn.listAllSecrets())
    except libvirt.libvirtError:
        if not host.is_alive():
            raise
        return None


def usage_type_of(secret: Any) -> str:
    """The word for what one of libvirt's objects is used for."""
    number = secret.usageType()
    return USAGE_TYPES[number] if number < len(USAGE_TYPES) else "other"


def _secret(secret: Any) -> Secret:
    return Secret(secret.UUIDString(), usage_type_of(secret), secret.usageID() or "")
