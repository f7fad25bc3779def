# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes and removes backups as planned. Decides nothing.

Each step may be the last that a run gets to. Until the folder of a backup has its name it is none,
and what its mark names is cleared by the next run; old backups and checkpoints go last.
"""

from __future__ import annotations

import time
import uuid
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...engine import xmltree
from ...engine.errors import FleetError
from ...engine.looked_at import Image, Layout
from ...host.connection import Host, found, libvirt, wait_until
from ...host.turns import in_turn
from ..vm import noted_vlans
from .applier_files import begin, clear, finish, make_folder, remove, seen, write
from .applier_job import Job, state_of
from .checkpoints import remove_checkpoint, remove_unique
from .disks import Disk
from .due import written
from .facts import Leftover
from .fate import DiskFate
from .manifest import (
    DEFINITION,
    FORMAT,
    LIVE,
    LOCK,
    NVRAM,
    OFF,
    PARTIAL,
    Backup,
    DiskCopy,
    File,
    id_of,
)
from .planned import Planned

TURN_S = 10.0  # a plan was made while nobody else was at work there
ABORT_TIMEOUT_S = 120.0
DEFINITION_FILE = "domain.xml"


def back_up(host: Host, planned: Planned) -> tuple[Backup | None, dict[str, Any]]:
    """Do what is planned. The backup that was made, and what it took."""
    job = Job(host, planned)
    with host.errors(job.resource, "back it up"), _files(job):
        make_folder(job.folder)
        with in_turn(job.folder / LOCK, "make backups of a VM", TURN_S):
            _check_as_planned(job)
            dom = found(host.conn.lookupByName, job.wanted.vm, libvirt.VIR_ERR_NO_DOMAIN)
            for leftover in planned.clears:
                _clear(job, dom, leftover)
            made, told = _make(job, dom) if planned.makes else (None, {})
            for name in planned.checkpoints:
                remove_checkpoint(dom, name, job.planned.case.disks)
            for going in planned.going:
                remove(job.folder, going.backup)
    return made, told


def _check_as_planned(job: Job) -> None:
    if job.planned.case.has_changed():
        message = "another run was at work here since the plan was made, and nothing was done"
        raise FleetError(f"{message}; run again", job.resource)


class _files:
    """What the machine does not let be written, told as what could not be done."""

    def __init__(self, job: Job) -> None:
        self.job = job

    def __enter__(self) -> None:
        """Nothing to do."""

    def __exit__(self, _kind: Any, error: Any, _trace: Any) -> None:
        if isinstance(error, OSError) and not isinstance(error, FleetError):
            where = error.filename or self.job.folder
            raise FleetError(
                f"cannot write {where}: {error.strerror or error}", self.job.resource, "directory"
            ) from error


# ---- what interrupted runs left


def _clear(job: Job, dom: Any, leftover: Leftover) -> None:
    partial = job.folder / f"{leftover.id}{PARTIAL}"
    if dom is not None and dom.isActive():
        _end_job(job, dom, str(partial))
        if leftover.mark.get("quiesces"):  # it may have been killed before it let the guest go on
            with suppress(libvirt.libvirtError):
                dom.fsThaw()
    if dom is not None and leftover.checkpoint:
        remove_unique(dom, leftover.checkpoint, job.planned.case.disks)
    said = [*leftover.mark.get("disks", ()), *leftover.mark.get("files", ())]
    clear(partial, [str(one["file"]) for one in said])


def _end_job(job: Job, dom: Any, partial: str) -> None:
    """End the backup that libvirt makes into a folder; it removes what it has written itself."""
    text = found(lambda _vm: dom.backupGetXMLDesc(0), "", libvirt.VIR_ERR_NO_DOMAIN_BACKUP)
    if not text or f"{partial}/" not in text:
        return
    with suppress(libvirt.libvirtError):  # it may have ended just now
        dom.abortJob()
    if not wait_until(lambda: not dom.jobStats(0).get("type"), ABORT_TIMEOUT_S):
        raise FleetError(
            f"libvirt does not end the backup that was left within {ABORT_TIMEOUT_S:g} s; see "
            f"virsh domjobinfo {job.wanted.vm}, and run again",
            job.resource,
        )


# ---- a new one


def _make(job: Job, dom: Any) -> tuple[Backup, dict[str, Any]]:
    planned, began = job.planned, time.monotonic()
    made = time.time_ns() // 1_000_000
    job.id = job.wanted.name or _free_id(job.folder, made)
    job.checkpoint = f"fleet-{id_of(made)}-{uuid.uuid4().hex[:8]}" if planned.tracked else ""
    begin(job.partial, _mark(job))
    try:
        backup = _whole(job, dom, made)
        finish(job.partial, backup)
    except BaseException:
        with suppress(
            FleetError, OSError, libvirt.libvirtError
        ):  # what is left the next run clears
            if job.host.is_alive():
                _clear(job, dom, Leftover(job.id, _mark(job), ()))
        raise
    told = {
        "how": backup.how,
        "total_ms": round((time.monotonic() - began) * 1000),
        "copied_bytes": job.copied,
        "progress": job.progress,
        "cleared": job.cleared,
    }
    return backup, told


def _free_id(folder: Path, made: int) -> str:
    """The moment; two within one second are told apart."""
    name, number = id_of(made), 2
    while (folder / name).exists() or (folder / f"{name}{PARTIAL}").exists():
        name, number = f"{id_of(made)}-{number}", number + 1
    return name


def _mark(job: Job) -> dict[str, Any]:
    files = [{"file": one} for one in (DEFINITION_FILE, NVRAM)]  # that of a TPM is a folder
    return {
        "format": FORMAT,
        "vm": job.wanted.vm,
        "uuid": job.planned.case.uuid,
        "checkpoint": job.checkpoint,
        "quiesces": job.planned.quiesces,
        "disks": [{"file": one.file} for one in job.planned.fates],
        "files": files,
    }


def _whole(job: Job, dom: Any, made: int) -> Backup:
    case = job.planned.case
    flags = libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE
    text = dom.XMLDesc(flags)
    if (
        not xmltree.same(noted_vlans.parse(text), case.have.definition)
        or dom.isActive() != case.runs
    ):
        raise FleetError("was changed by somebody else since the plan was made", job.resource)
    write(job.partial / DEFINITION_FILE, text)
    if case.runs:
        from .applier_live import copy_live

        files = copy_live(job, dom)
    else:
        from .applier_off import copy_off

        copy_off(job, dom)
        files = state_of(job)
    return _manifest(job, made, [File(DEFINITION, DEFINITION_FILE), *files])


def _manifest(job: Job, made: int, files: list[File]) -> Backup:
    """All of it, looked at as it is on the disk."""
    planned, case = job.planned, job.planned.case
    checked = []
    for file in files:
        size, digest = seen(job.partial, file.file)
        checked.append(replace(file, size=size, sha256=digest))
    return Backup(
        job.id,
        bool(job.wanted.name),
        job.wanted.vm,
        case.uuid,
        made,
        planned.mode,
        LIVE if case.runs else OFF,
        planned.parent,
        planned.quiesces,
        job.checkpoint,
        case.definition,
        bool(case.have.facts.get("autostart")),
        tuple(_copy_of(job, fate) for fate in planned.fates),
        tuple(checked),
    )


def _copy_of(job: Job, fate: DiskFate) -> DiskCopy:
    case, disk = job.planned.case, fate.disk
    size, digest = seen(job.partial, fate.file)
    inside = case.world.host.inner_snapshots(job.wanted.vm, disk.target)
    known = case.facts.disk_size(job.wanted.vm, disk.target)
    return DiskCopy(
        "disk",
        fate.file,
        size,
        digest,
        disk.name,
        disk.target,
        known.capacity if known is not None else 0,
        fate.parent,
        disk.path,
        disk.format,
        "" if case.runs else written(case, disk.images),
        bool(inside) or (inside is None and disk.format == "qcow2"),
        _layout_of(job, disk),
    )


def _layout_of(job: Job, disk: Disk) -> Layout | None:
    """How the image of a disk is laid out, by its header. A guest can write one into a raw disk."""
    if disk.format != "qcow2" or not disk.path.startswith("/"):
        return None
    found = job.planned.case.world.host.image(disk.path)
    return found.layout if isinstance(found, Image) else None
