# SPDX-License-Identifier: GPL-3.0-or-later
"""Carries what is kept of a VM beside its disks while it is off: UEFI variables, the TPM's state.

No call of libvirt's reads these files, so their folders are opened as pools.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from ..engine import xmltree
from ..engine.errors import FleetError
from ..host.connection import libvirt
from ..kinds.storage_volume.reader import look_up_volume
from ..kinds.vm.state_files import StateFile, nvram_of, tpm_state_of
from .applier_folders import empty_file, folder
from .applier_job import Job
from .applier_streams import pipe
from .mapped import definition_there
from .states import state_files

Made = list[tuple[str, str]]  # files at the target that this run made: folder and name


@contextmanager
def carried_state(job: Job) -> Iterator[int]:
    """The state files of a VM at the target too: the bytes that went over.

    What fails in the block, or in copying, leaves none of them behind.
    """
    made: Made = []
    try:
        yield _carry_all(job, made)
    except BaseException:
        for path, name in made:
            with suppress(FleetError, libvirt.libvirtError), folder(job, job.target, path) as at:
                look_up_volume(at, name).delete(0)
        raise


def _carry_all(job: Job, made: Made) -> int:
    here = job.move.have.definition
    there = definition_there(job.move, job.fates, here)
    goes = {file.field for file in state_files(job.move)}
    moved = 0
    for state_of, copy in ((nvram_of, _carry_file), (tpm_state_of, _carry_folders)):
        from_file = state_of(job.move.source.host, here)
        to_file = state_of(job.move.target.host, there)
        if from_file is not None and to_file is not None and from_file.field in goes:
            moved += copy(job, from_file, to_file, made)
    return moved


def _carry_file(job: Job, here: StateFile, there: StateFile, made: Made) -> int:
    path, name = posixpath.split(here.path)
    path_there, name_there = posixpath.split(there.path)
    return _carry(job, path, path_there, {name: name_there}, made)


def _carry_folders(job: Job, here: StateFile, there: StateFile, made: Made) -> int:
    """The state of a TPM is in a folder for its version, below one for the VM."""
    return sum(
        _carry(job, f"{here.path}/{version}", f"{there.path}/{version}", None, made)
        for version in _folders_in(job, here.path)
    )


def _folders_in(job: Job, path: str) -> list[str]:
    parent, name = posixpath.split(path)
    with folder(job, job.source, parent) as above:
        if above is None or look_up_volume(above, name) is None:
            return []
    with folder(job, job.source, path) as pool:
        return [volume.name() for volume in pool.listAllVolumes()] if pool is not None else []


def _carry(job: Job, path: str, path_there: str, names: dict[str, str] | None, made: Made) -> int:
    """Copy files from folder to folder, by other names perhaps; None: all of them."""
    moved = 0
    with folder(job, job.source, path) as here:
        if here is None:
            return 0
        files = [volume for volume in here.listAllVolumes() if _is_wanted(volume, names)]
        if not files:
            return 0
        with folder(job, job.target, path_there, make=True) as there:
            for file in files:
                name = names[file.name()] if names else file.name()
                _clear(job, there, path_there, name)
                into = empty_file(there, name, file)
                made.append((path_there, name))
                moved += pipe(job.source, file, job.target, into)
    return moved


def _is_wanted(volume: Any, names: dict[str, str] | None) -> bool:
    is_file = xmltree.parse(volume.XMLDesc(0)).get("type") == "file"
    is_lock = volume.name().startswith(".")
    return is_file and (volume.name() in names if names else not is_lock)


def _clear(job: Job, pool: Any, path: str, name: str) -> None:
    """Remove what an interrupted run had made; what nobody of this move made is another VM's."""
    old = look_up_volume(pool, name)
    if old is None:
        return
    if not job.move.is_taken_up:
        raise in_the_way(job, f"{path}/{name}")
    old.delete(0)


def in_the_way(job: Job, path: str) -> FleetError:
    """What is told of a file at the target that nobody of this move made."""
    return FleetError(
        f"{path} is at {job.move.target.name} already, from an earlier VM, and was not written "
        "over; keep a copy of it, remove it there, and run again",
        job.resource,
    )
