# SPDX-License-Identifier: GPL-3.0-or-later
"""Restores a VM as planned. Decides nothing.

All checksums are compared and all new images are whole before anything that is there is touched.
From then on the VM is stored with disks that are nowhere, until all of it is in its place: so it is
never started with a part of it, and never undefined. One that was not there is defined at the end.
A run that ends before begins anew, by what was noted beside the backups.
"""

from __future__ import annotations

import json
import pwd
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...engine import xmltree
from ...engine.errors import FleetError
from ...host.connection import Host, found, libvirt, patiently
from ...host.judgement import refusal
from ...host.turns import in_turn
from ...host.writing import flush
from ..storage_volume.layouts import as_options
from ..vm import noted_vlans
from ..vm.applier_vlans import as_taken
from ..vm.state_files import StateFile
from ..vm_backup.applier_files import seen, write
from ..vm_backup.checks import QEMU_IMG
from ..vm_backup.manifest import LOCK, TPM_STATE, Backup
from ..vm_backup.watching import DEADLINE_S_PER_GIB, GIB, LEAST_GIB
from .case import Case, DiskBack
from .planned import Planned
from .reader import journal_of

TURN_S = 10.0
TPM_USER = "tss"  # as whom libvirt runs the emulator (swtpm_user in qemu.conf) on Debian


@dataclass
class Job:
    """One VM that is restored."""

    host: Host
    planned: Planned
    checked: int = 0  # bytes

    @property
    def case(self) -> Case:
        """What it is made of."""
        return self.planned.case

    @property
    def resource(self) -> str:
        """How errors call it."""
        return self.case.resource


def restore(host: Host, planned: Planned) -> dict[str, Any]:
    """Do what is planned. What it took."""
    job, began = Job(host, planned), time.monotonic()
    folder = Path(job.case.wanted.folder)
    with host.errors(job.resource, "restore it"), _files(job):
        if planned.restores:
            with in_turn(folder / LOCK, "have its hands on the backups of a VM", TURN_S):
                if job.case.has_changed():
                    message = "another run was at work here since the plan was made"
                    raise FleetError(f"{message}, and nothing was touched; run again", job.resource)
                _check(job, folder)
                _restore(job, folder)
        if planned.starts:
            dom = host.conn.lookupByName(job.case.wanted.target)
            if not dom.isActive():
                dom.create()
    took = round((time.monotonic() - began) * 1000)
    return {"total_ms": took, "verified_bytes": job.checked}


@contextmanager
def _files(job: Job) -> Iterator[None]:
    """What the machine does not let be read or written, told as what could not be done."""
    try:
        yield
    except OSError as error:
        message = f"cannot read or write {error.filename}: {error.strerror or error}"
        raise FleetError(message, job.resource) from error


# ---- before anything is touched


def _check(job: Job, folder: Path) -> None:
    """Compare the checksums of all that is read."""
    for backup in job.case.chain:
        for file in backup.all_files if backup is job.case.backup else backup.disks:
            size, digest = seen(folder / backup.id, file.file)
            job.checked += size
            if (size, digest) != (file.size, file.sha256):
                raise _damaged(job, backup, file.file)


def _damaged(job: Job, backup: Backup, file: str) -> FleetError:
    return FleetError(
        f"{backup.id}/{file} is damaged, by its checksum (SHA-256), and nothing was touched; "
        "restore another backup",
        job.resource,
        "backup",
    )


def _restore(job: Job, folder: Path) -> None:
    noted = journal_of(str(folder), job.case.wanted.target)
    before = noted.read_text(encoding="utf-8") if noted.exists() else ""
    _note(job, folder, [one.half_made for one in job.case.disks], job.case.journal.left)
    try:
        for disk in job.case.disks:
            _convert(job, folder, disk)
        _check_as_planned(job)
    except BaseException:
        for disk in job.case.disks:
            with suppress(OSError):
                Path(disk.half_made).unlink()
        with suppress(OSError):  # nothing was begun that the next run would have to know of
            write(noted, before) if before else noted.unlink()
        raise
    _replace(job, folder)
    _note(job, folder, [], job.case.left, done=True)


def _note(
    job: Job, folder: Path, files: list[str], left: Iterable[str], done: bool = False
) -> None:
    """Note, for the next run, which files are made for this by now, and which overlays the VM has
    left."""
    said = {
        "backup": job.case.backup.id,
        "uuid": job.case.uuid,
        "files": files,
        "done": done,
        "left": list(left),
    }
    write(journal_of(str(folder), job.case.wanted.target), json.dumps(said, indent=1) + "\n")


def _convert(job: Job, folder: Path, disk: DiskBack) -> None:
    """The copy of a disk, with all that it stands on, as one image under a name that says that it
    is half-made."""
    source = folder / job.case.backup.id / disk.copy.file
    command = [QEMU_IMG, "convert", "-q", "-f", "qcow2", "-O", disk.format]
    if disk.layout is not None:
        command += ["-o", as_options(disk.layout)]
    wanted = job.case.wanted
    with suppress(FileNotFoundError):  # qemu-img of a run that was killed may still write to it
        Path(disk.half_made).unlink()
    limit = wanted.timeout_s or DEADLINE_S_PER_GIB * max(disk.copy.capacity / GIB, LEAST_GIB)
    try:
        done = subprocess.run(
            [*command, str(source), disk.half_made],
            check=False,
            capture_output=True,
            text=True,
            timeout=limit,
        )
    except subprocess.TimeoutExpired as error:
        message = f"disk {disk.copy.name} was not restored within {limit:g} s (timeout_s)"
        raise FleetError(f"{message}, and nothing was touched", job.resource) from error
    if done.returncode:
        message = f"{QEMU_IMG} did not restore disk {disk.copy.name}: {done.stderr.strip()}"
        raise FleetError(message, job.resource)
    _be_like(Path(disk.half_made), Path(disk.place))
    flush(Path(disk.half_made))


def _be_like(new: Path, old: Path) -> None:
    """Whose an image is that takes the place of another; libvirt gives it to QEMU at the start."""
    new.chmod(0o600)
    with suppress(FileNotFoundError):
        shutil.copymode(old, new)
        status = old.stat()
        shutil.chown(new, status.st_uid, status.st_gid)


def _check_as_planned(job: Job) -> None:
    """The VM is as it was when the plan was made, and does not run."""
    have, dom = job.case.have, _look_up(job)
    flags = libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE
    same = (dom is None) == (not have.exists)
    if same and dom is not None:
        now = noted_vlans.parse(dom.XMLDesc(flags))
        known = (_names(dom.listAllSnapshots(0)), _names(dom.listAllCheckpoints(0)))
        same = (
            not dom.isActive()
            and xmltree.same(now, have.definition)
            and known == (sorted(job.case.snapshots), sorted(job.case.checkpoints))
        )
    if not same:
        message = "was changed by somebody else since the plan was made, and nothing was touched"
        raise FleetError(f"{message}; run again", job.resource)
    refused = refusal(job.host, xmltree.serialise(job.case.definition))
    if refused:
        message = f"libvirt would not take its definition, and nothing was touched: {refused}"
        raise FleetError(message, job.resource)


def _names(records: list[Any]) -> list[str]:
    return sorted(one.getName() for one in records)


def _look_up(job: Job) -> Any:
    return found(job.host.conn.lookupByName, job.case.wanted.target, libvirt.VIR_ERR_NO_DOMAIN)


# ---- from here on the VM is another


def _replace(job: Job, folder: Path) -> None:
    case = job.case
    files = [path for one in case.disks for path in (one.path, one.half_made)]
    _note(job, folder, files, case.left)
    if case.have.exists:
        _bar(job)
    for disk in case.disks:
        Path(disk.half_made).rename(disk.place)
        flush(Path(disk.place).parent)
    for file in job.planned.files:
        _put_state(job, folder, file)
    dom = _define(job, case.definition)
    if case.autostart and not case.have.exists:
        dom.setAutostart(1)
    _refresh(job)


def _bar(job: Job) -> None:
    """From here on the VM that is there is the one that is to be, and cannot be started. What
    libvirt knows of its old disks goes."""
    dom = _define(job, job.case.barred)
    if dom.isActive():
        _define(job, job.case.have.definition)
        message = "was started by somebody else, and nothing was touched; stop it, and run again"
        raise FleetError(message, job.resource)
    if dom.hasManagedSaveImage(0):
        dom.managedSaveRemove(0)
    for snapshot in dom.listAllSnapshots(0):
        snapshot.delete(libvirt.VIR_DOMAIN_SNAPSHOT_DELETE_METADATA_ONLY)
    for checkpoint in dom.listAllCheckpoints(0):
        checkpoint.delete(libvirt.VIR_DOMAIN_CHECKPOINT_DELETE_METADATA_ONLY)


def _define(job: Job, tree: xmltree.Element) -> Any:
    text = xmltree.serialise(as_taken(job.host, tree))
    return patiently(lambda: job.host.conn.defineXMLFlags(text, 0))


def _put_state(job: Job, folder: Path, file: StateFile) -> None:
    """NVRAM is one file; a TPM has a folder, of which all goes that is not in the backup."""
    if file.field == TPM_STATE:
        shutil.rmtree(file.path, ignore_errors=True)
        Path(file.path).mkdir(parents=True)
        Path(file.path).chmod(0o711)
    for one in job.planned.of_backup(file):
        source = folder / job.case.backup.id / one.file
        inside = Path(one.file).relative_to(file.field)
        target = Path(file.path, inside) if str(inside) != "." else Path(file.path)
        target.parent.mkdir(parents=True, exist_ok=True)
        new = target.with_name(f"{target.name}.partial")
        shutil.copyfile(source, new)
        _be_like(new, target)
        new.rename(target)
        flush(target.parent)
    if file.field == TPM_STATE:
        _give_to_emulator(Path(file.path))


def _give_to_emulator(state: Path) -> None:
    with suppress(KeyError):
        user = pwd.getpwnam(TPM_USER)
        for path in (state, *state.rglob("*")):
            shutil.chown(path, user.pw_uid, user.pw_gid)


def _refresh(job: Job) -> None:
    """Let libvirt know of new files in the pool."""
    if job.case.wanted.pool:
        with suppress(libvirt.libvirtError):
            job.host.conn.storagePoolLookupByName(job.case.wanted.pool).refresh(0)
