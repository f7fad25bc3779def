# SPDX-License-Identifier: GPL-3.0-or-later
"""What is under way on a VM that others have to wait for."""

from __future__ import annotations

from ...engine.host import HostFacts


def backup_under_way(host: HostFacts, vm: str) -> str:
    """What to say of a backup that is made of a VM; empty where there is none."""
    if not host.backup(vm):
        return ""
    return (
        "a backup of the VM is under way; wait until it is done, or end it (an export of "
        f"vm_backup_export by state: absent, one of others by virsh domjobabort {vm})"
    )
