# SPDX-License-Identifier: GPL-3.0-or-later
"""Has QEMU copy the disks of a VM that runs, as of one moment: libvirt's backup in push mode."""

from __future__ import annotations

import posixpath
import subprocess
import time
from contextlib import suppress
from typing import Any

from ...engine import xmltree
from ...engine.errors import FleetError
from ...host.connection import libvirt, patiently, said
from .applier_job import Job, state_of
from .checkpoints import remove_bitmap
from .checks import QEMU_IMG
from .fate import DiskFate
from .manifest import FULL, INCREMENTAL, File
from .watching import Seen, Watch, told

LOOK_EVERY_S = 0.2
BACKUP = 9  # of virDomainJobOperation
LOST = "Bitmap already exists: backup-"


def copy_live(job: Job, dom: Any) -> list[File]:
    """Copy all disks. What is kept beside them is copied once their moment is held."""
    _begin(job, dom)
    files = state_of(job)
    _wait(job, dom)
    for fate in job.planned.fates:
        if fate.parent:
            _stand(job, fate)
    return files


def _begin(job: Job, dom: Any) -> None:
    """Where the guest's file systems are at rest, they are for this moment alone."""
    checkpoint = _checkpoint(job) if job.checkpoint else None
    if job.planned.quiesces:
        dom.fsFreeze()
    try:
        _ask(job, dom, checkpoint)
    except libvirt.libvirtError as error:
        if "Permission denied" in said(error):
            raise FleetError(
                f"QEMU cannot write to {job.partial}: {said(error)}; let its user pass through all "
                "folders above (chmod o+x)",
                job.resource,
                "directory",
            ) from error
        raise
    finally:
        if job.planned.quiesces:
            dom.fsThaw()
    if job.wanted.bandwidth:
        _limit(job, dom)


def _ask(job: Job, dom: Any, checkpoint: str | None) -> None:
    def begin() -> None:
        patiently(lambda: dom.backupBegin(_definition(job), checkpoint, 0))

    try:
        begin()
    except libvirt.libvirtError as error:
        if LOST not in said(error) or not checkpoint or not _clear_lost(job, dom):
            raise
        begin()


def _clear_lost(job: Job, dom: Any) -> bool:
    """Remove what QEMU still holds of a backup that libvirt lost sight of, as where it ended in the
    moment in which that began. libvirt calls the bitmap of what is copied the same each time (9.0,
    qemuBackupDiskPrepareDataOne), and has one backup of a VM under way at a time, so it is
    nobody's. Whether there was one."""
    for target in [fate.disk.target for fate in job.planned.fates if fate.parent]:
        if remove_bitmap(dom, job.checkpoint, target, f"backup-{target}"):
            job.cleared.append(f"backup-{target}")
    return bool(job.cleared)


def _limit(job: Job, dom: Any) -> None:
    flags = libvirt.VIR_DOMAIN_BLOCK_JOB_SPEED_BANDWIDTH_BYTES
    for fate in job.planned.fates:
        with suppress(libvirt.libvirtError):  # a small disk is done by now
            dom.blockJobSetSpeed(fate.disk.target, job.wanted.bandwidth, flags)


def _definition(job: Job) -> str:
    """What libvirt is asked for. Disks that are not named are left out."""
    tree = xmltree.Element("domainbackup", {"mode": "push"})
    above = xmltree.ensure(tree, "disks")
    copied = {one.disk.target: one for one in job.planned.fates}
    for disk in xmltree.find_all(job.planned.case.domain, "devices/disk"):
        target = xmltree.get(disk, "target/@dev") or ""
        fate = copied.get(target)
        element = xmltree.Element("disk", {"name": target, "backup": "yes" if fate else "no"})
        if fate is not None:
            _put(job, element, fate)
        above.append(element)
    return xmltree.serialise(tree)


def _put(job: Job, element: xmltree.Element, fate: DiskFate) -> None:
    base = next((b for b in job.planned.case.own if b.id == fate.parent), None)
    element.set("type", "file")
    element.set("backupmode", INCREMENTAL if base is not None else FULL)
    if base is not None:
        element.set("incremental", base.checkpoint)
    xmltree.put(element, "driver/@type", "qcow2")
    xmltree.put(element, "target/@file", str(job.path(fate)))


def _checkpoint(job: Job) -> str:
    tree = xmltree.Element("domaincheckpoint")
    xmltree.put(tree, "name", job.checkpoint)
    above = xmltree.ensure(tree, "disks")
    for disk in xmltree.find_all(job.planned.case.domain, "devices/disk"):
        target = xmltree.get(disk, "target/@dev") or ""
        how = "bitmap" if target in job.planned.tracked else "no"
        above.append(xmltree.Element("disk", {"name": target, "checkpoint": how}))
    return xmltree.serialise(tree)


# ---- until it is done


def _wait(job: Job, dom: Any) -> None:
    began, seen = time.monotonic(), Seen(0, 0)
    watch = Watch.of(job.planned.case, job.planned.fates, began)
    while True:
        stats = _stats(job, dom)
        if not stats.get("type"):
            break
        seen = Seen(int(stats.get("disk_processed", 0)), int(stats.get("disk_total", 0)))
        now = time.monotonic()
        told(job.progress, now - began, seen)
        why = watch.see(now, seen)
        if why:
            raise FleetError(f"was given up, and nothing of it is kept: {why}", job.resource)
        time.sleep(LOOK_EVERY_S)
    _check_done(job, dom)


def _stats(job: Job, dom: Any) -> dict[str, Any]:
    try:
        return dict(dom.jobStats(0))
    except libvirt.libvirtError as error:
        if not job.host.is_alive() or dom.isActive():
            raise
        raise FleetError(
            "the VM stopped while it was copied, so nothing of it is kept; run again", job.resource
        ) from error


def _check_done(job: Job, dom: Any) -> None:
    flags = libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED | libvirt.VIR_DOMAIN_JOB_STATS_KEEP_COMPLETED
    stats = dom.jobStats(flags)
    if stats.get("operation") == BACKUP and stats.get("success"):
        job.copied = int(stats.get("disk_processed", 0))
        return
    why = stats.get("errmsg") or "libvirt says nothing of it, as where the VM stopped meanwhile"
    raise FleetError(f"did not become whole, and nothing of it is kept: {why}", job.resource)


def _stand(job: Job, fate: DiskFate) -> None:
    """libvirt lets a copy of what was written since stand on the disk itself, by whose side it lies
    for nobody. It stands on the copy before it from then on."""
    below = posixpath.join("..", fate.parent, fate.file)
    command = [QEMU_IMG, "rebase", "-q", "-u", "-f", "qcow2", "-F", "qcow2", "-b", below]
    run_tool(job, [*command, str(job.path(fate))])


def run_tool(job: Job, command: list[str]) -> None:
    """Run qemu-img to its end."""
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=600)
    if done.returncode:
        raise FleetError(f"{QEMU_IMG} failed: {done.stderr.strip()}", job.resource)
