# SPDX-License-Identifier: GPL-3.0-or-later
"""What follows from the names of a VM, its NICs and its disks."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping
from typing import Any

FLEET_UUID = uuid.UUID("6f1d6b55-6e7c-5b0e-9f3a-3f0f6a5a2c11")  # the namespace of derived UUIDs


def derived_uuid(name: str) -> str:
    """The UUID of a new VM: the same for the same name, so a re-created VM is the same VM."""
    return str(uuid.uuid5(FLEET_UUID, f"vm/{name}"))


def derived_mac(vm: str, nic: str) -> str:
    """The MAC of a new NIC without one, in QEMU's range 52:54:00, the same for the same names."""
    digest = hashlib.sha256(f"kvm.fleet/{vm}/{nic}".encode()).hexdigest()
    return "52:54:00:" + ":".join(digest[place : place + 2] for place in (0, 2, 4))


def volume_of(vm: str, disk: Mapping[str, Any]) -> str:
    """How the volume is called that a disk brings, where nothing is said."""
    return f"{vm}-{disk['name']}.{disk.get('format') or 'qcow2'}"
