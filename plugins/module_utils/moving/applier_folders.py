# SPDX-License-Identifier: GPL-3.0-or-later
"""Opens folders of hosts in which libvirt keeps files that no call of its reads or writes.

They are made pools of, for as long as a file is read or written: transient ones, which are in
nobody's list of pools once they have ended.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from ..engine import xmltree
from ..engine.errors import FleetError
from ..host.connection import Host, libvirt
from ..kinds.storage_volume.reader import refresh_pool
from .applier_job import Job

PREFIX = "kvm-fleet-move-"


@contextmanager
def folder(job: Job, host: Host, path: str, make: bool = False) -> Iterator[Any]:
    """A folder of a host as a pool; None where it is not there and is not to be made."""
    name = f"{PREFIX}{job.uuid}-{posixpath.basename(path)}"
    pool = _pool_at(host, path)
    is_ours = pool is None
    try:
        if pool is None:
            pool = _started(job, host, name, path, make)
        else:
            refresh_pool(pool)  # libvirt tells what it has seen before
        yield pool
    finally:
        if is_ours and pool is not None:
            with suppress(libvirt.libvirtError):
                pool.destroy()


def end_left_pools(job: Job, host: Host) -> None:
    """End what a run that was killed left of such pools; the files stay as they are."""
    with host.errors(job.resource, "end what an interrupted run left"):
        for pool in host.conn.listAllStoragePools(libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_TRANSIENT):
            if pool.name().startswith(f"{PREFIX}{job.uuid}-"):
                with suppress(libvirt.libvirtError):  # whoever else ended it
                    pool.destroy()


def empty_file(pool: Any, name: str, like: Any) -> Any:
    """A new file in a folder, with the permissions of another."""
    tree = xmltree.Element("volume")
    xmltree.put(tree, "name", name)
    xmltree.put(tree, "capacity", "0")
    xmltree.put(tree, "target/format/@type", "raw")
    for part in ("mode", "owner", "group"):
        path = f"target/permissions/{part}"
        xmltree.put(tree, path, xmltree.get(xmltree.parse(like.XMLDesc(0)), path))
    return pool.createXML(xmltree.serialise(tree), 0)


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
