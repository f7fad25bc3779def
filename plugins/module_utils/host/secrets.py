# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's secrets, as facts: which there are, never what they are."""

from __future__ import annotations

from ..engine.host import Secret
from .connection import Host, libvirt

# VIR_SECRET_USAGE_TYPE_*, in their order.
USAGE_TYPES = ("none", "volume", "ceph", "iscsi", "tls", "vtpm")


def read_secrets(host: Host) -> list[Secret] | None:
    """All secrets; None where the driver has none to tell of."""
    try:
        found = host.conn.listAllSecrets()
    except libvirt.libvirtError:
        if not host.is_alive():
            raise
        return None
    return sorted(_secret(one) for one in found)


def _secret(secret: libvirt.virSecret) -> Secret:
    number = secret.usageType()
    usage_type = USAGE_TYPES[number] if number < len(USAGE_TYPES) else "other"
    return Secret(secret.UUIDString(), usage_type, secret.usageID() or "")
