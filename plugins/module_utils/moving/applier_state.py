# SPDX-License-Identifier: GPL-3.0-or-later
"""Carries what is kept of a VM beside its disks while it is off: UEFI variables, the TPM's state.

No call of libvirt's reads these files. So their folders are made pools of, for as long as a file is
read or written: transient ones, which are in nobody's list of pools once they have ended.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from ..engine import xmltree
from ..engine.errors import FleetError
from ..host.connection import Host, found, libvirt
from ..kinds.storage_volume.reader import look_up_volume
from ..kinds.vm.state_files import StateFile, nvram_of, tpm_state_of
from .applier_job import Job
from .applier_streams import pipe
from .mapped import definition_there

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
        for folder, name in made:
            with suppress(FleetError, libvirt.libvirtError), _folder(job, job.target, folder) as at:
                look_up_volume(at, name).delete(0)
        raise


def _carry_all(job: Job, made: Made) -> int:
    here = job.move.have.definition
    there = definition_there(job.move, job.fates, here)
    moved = 0
    for state_of, copy in ((nvram_of, _carry_file), (tpm_state_of, _carry_folders)):
        from_file = state_of(job.move.source.host, here)
        to_file = state_of(job.move.target.host, there)
        if from_file is not None and to_file is not None:
            moved += copy(job, from_file, to_file, made)
    return moved


def _carry_file(job: Job, here: StateFile, there: StateFile, made: Made) -> int:
    folder, name = posixpath.split(here.path)
    folder_there, name_there = posixpath.split(there.path)
    return _carry(job, folder, folder_there, {name: name_there}, made)


def _carry_folders(job: Job, here: StateFile, there: StateFile, made: Made) -> int:
    """The state of a TPM is in a folder for its version, below one for the VM."""
    return sum(
        _carry(job, f"{here.path}/{version}", f"{there.path}/{version}", None, made)
        for version in _folders_in(job, here.path)
    )


def _folders_in(job: Job, path: str) -> list[str]:
    parent, name = posixpath.split(path)
    with _folder(job, job.source, parent) as above:
        if above is None or look_up_volume(above, name) is None:
            return []
    with _folder(job, job.source, path) as pool:
        return [volume.name() for volume in pool.listAllVolumes()] if pool is not None else []


def _carry(
    job: Job, folder: str, folder_there: str, names: dict[str, str] | None, made: Made
) -> int:
    """Copy files from folder to folder, by other names perhaps; None: all of them."""
    moved = 0
    with _folder(job, job.source, folder) as here:
        if here is None:
            return 0
        files = [volume for volume in here.listAllVolumes() if _is_wanted(volume, names)]
        if not files:
            return 0
        with _folder(job, job.target, folder_there, make=True) as there:
            for file in files:
                name = names[file.name()] if names else file.name()
                _clear(job, there, folder_there, name)
                into = _empty_file(there, name, file)
                made.append((folder_there, name))
                moved += pipe(job.source, file, job.target, into)
    return moved


def _is_wanted(volume: Any, names: dict[str, str] | None) -> bool:
    is_file = xmltree.parse(volume.XMLDesc(0)).get("type") == "file"
    is_lock = volume.name().startswith(".")
    return is_file and (volume.name() in names if names else not is_lock)


def _clear(job: Job, pool: Any, folder: str, name: str) -> None:
    """Remove what an interrupted run had made; what nobody of this move made is another VM's."""
    old = look_up_volume(pool, name)
    if old is None:
        return
    if not job.move.is_taken_up:
        raise FleetError(
            f"{folder}/{name} is at {job.move.target.name} already, from an earlier VM, and was "
            "not written over; keep a copy of it, remove it there, and run again",
            job.resource,
        )
    old.delete(0)


def _empty_file(pool: Any, name: str, like: Any) -> Any:
    """A new file in a folder, with the permissions of another."""
    tree = xmltree.Element("volume")
    xmltree.put(tree, "name", name)
    xmltree.put(tree, "capacity", "0")
    xmltree.put(tree, "target/format/@type", "raw")
    for part in ("mode", "owner", "group"):
        path = f"target/permissions/{part}"
        xmltree.put(tree, path, xmltree.get(xmltree.parse(like.XMLDesc(0)), path))
    return pool.createXML(xmltree.serialise(tree), 0)


@contextmanager
def _folder(job: Job, host: Host, path: str, make: bool = False) -> Iterator[Any]:
    """A folder of a host as a pool; None where it is not there and is not to be made."""
    name = f"kvm-fleet-move-{job.uuid}-{posixpath.basename(path)}"
    missing = libvirt.VIR_ERR_NO_STORAGE_POOL
    pool = found(host.conn.storagePoolLookupByName, name, missing) or _pool_at(host, path)
    is_ours = pool is None or pool.name() == name
    try:
        pool = pool or _started(job, host, name, path, make)
        yield pool
    finally:
        if is_ours and pool is not None:
            with suppress(libvirt.libvirtError):
                pool.destroy()


def _started(job: Job, host: Host, name: str, path: str, make: bool) -> Any:
    tree = xmltree.Element("pool", {"type": "dir"})
    xmltree.put(tree, "name", name)
    xmltree.put(tree, "target/path", path)
    flags = libvirt.VIR_STORAGE_POOL_CREATE_WITH_BUILD if make else 0
    try:
        return host.conn.storagePoolCreateXML(xmltree.serialise(tree), flags)
    except libvirt.libvirtError as error:
        if not make and "No such file" in str(error):
            return None
        raise FleetError(f"cannot open the folder {path}: {error}", job.resource) from error


def _pool_at(host: Host, path: str) -> Any:
    """A pool that has the folder already: libvirt lets there be only one."""
    for pool in host.conn.listAllStoragePools(libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE):
        if xmltree.get(xmltree.parse(pool.XMLDesc(0)), "target/path") == path:
            return pool
    return None
