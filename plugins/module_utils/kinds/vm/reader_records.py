# SPDX-License-Identifier: GPL-3.0-or-later
"""What libvirt tells of a VM beside its definitions: snapshots, checkpoints, jobs, backups."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ...host.connection import Host, found, libvirt, said

# virDomainBlockJobType, as virsh calls them.
JOBS = {1: "blockpull", 2: "blockcopy", 3: "blockcommit", 4: "blockcommit", 5: "backup"}

# virDomainJobOperation, of those that work on a whole VM.
VM_JOBS = {
    1: "a start",
    2: "a save",
    3: "a restore",
    4: "a migration",
    5: "a migration",
    6: "a snapshot",
    7: "going back to a snapshot",
    8: "a dump",
    10: "removing a snapshot",
}
BACKUP = 9  # of which another question is asked
SETTLES_S = 10.0
LOST = "a backup that it lost sight of by a restart, and that ends when the VM is stopped"


def read_snapshots(host: Host, vm: str) -> list[tuple[str, bool]]:
    """The records of a VM's snapshots, each with whether it is the current one."""
    dom = _look_up(host, vm)
    return [] if dom is None else records_of(dom)


def records_of(dom: Any) -> list[tuple[str, bool]]:
    """The records of a domain's snapshots."""
    return [(one.getXMLDesc(0).strip(), bool(one.isCurrent())) for one in dom.listAllSnapshots(0)]


def read_inner_snapshots(host: Host, vm: str, target: str) -> list[tuple[str, str]] | None:
    """What the image of a disk lists; None where it cannot be read."""
    from ...host.inner_snapshots import inner_snapshots

    dom = _look_up(host, vm)
    if dom is None or host.driver != "QEMU":
        return None
    try:
        return inner_snapshots(host, dom, target)
    except (libvirt.libvirtError, OSError, ValueError):
        if not host.is_alive():
            raise
        return None


def read_checkpoints(host: Host, vm: str) -> list[str]:
    """The names of a VM's checkpoints; only QEMU's driver has any."""
    dom = _look_up(host, vm) if host.driver == "QEMU" else None
    return [] if dom is None else [one.getName() for one in dom.listAllCheckpoints(0)]


def read_block_job(host: Host, vm: str, target: str) -> str:
    """The job that works on a disk of a running VM, as virsh calls it; empty without one."""
    with host.errors(f"vm/{vm}", "tell the jobs of its disks"):
        dom = host.conn.lookupByName(vm)
        if not dom.isActive() or host.driver != "QEMU":
            return ""
        try:
            job = dom.blockJobInfo(target, 0)
        except libvirt.libvirtError as error:
            if error.get_error_code() == libvirt.VIR_ERR_INVALID_ARG:  # the drive is empty
                return ""
            raise
    return JOBS.get(job["type"], "job") if job else ""


def read_vm_job(host: Host, vm: str) -> str:
    """What libvirt does with a whole VM that runs; it lets nobody ask while it does some of it."""
    with host.errors(f"vm/{vm}", "tell what is done with it"):
        dom = _look_up(host, vm)
        if dom is None or not dom.isActive() or host.driver != "QEMU":
            return ""
        try:
            stats = _settled(lambda: dom.jobStats(0))
        except libvirt.libvirtError as error:
            if error.get_error_code() != libvirt.VIR_ERR_OPERATION_TIMEOUT:
                raise
            return "another job"
    if stats is None:
        return LOST
    operation = stats.get("operation", 0)
    return VM_JOBS.get(operation, "a job") if stats.get("type") and operation != BACKUP else ""


def _settled(ask: Callable[[], dict[str, Any]]) -> dict[str, Any] | None:
    """libvirt knows nothing of a backup in the moments in which that begins or ends; and for good,
    which is None, where it was restarted in the first of these (9.0, qemuBackupGetJobInfoStats)."""
    deadline = time.monotonic() + SETTLES_S
    while True:
        try:
            return ask()
        except libvirt.libvirtError as error:
            if "backup job data" not in said(error):
                raise
            if time.monotonic() > deadline:
                return None
        time.sleep(0.1)


def read_backup(host: Host, vm: str) -> str:
    """The backup that is made of a running VM, as XML."""
    with host.errors(f"vm/{vm}", "tell its backup"):
        dom = _look_up(host, vm)
        if dom is None or not dom.isActive():
            return ""
        text = found(lambda _vm: dom.backupGetXMLDesc(0), vm, libvirt.VIR_ERR_NO_DOMAIN_BACKUP)
    return (text or "").strip()


def _look_up(host: Host, vm: str) -> Any:
    return found(host.conn.lookupByName, vm, libvirt.VIR_ERR_NO_DOMAIN)
