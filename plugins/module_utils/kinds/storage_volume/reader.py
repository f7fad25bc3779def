# SPDX-License-Identifier: GPL-3.0-or-later
"""Storage volumes as they are on a host."""

from __future__ import annotations

import errno
import posixpath
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from ...engine import xmltree
from ...engine.plan import Have
from ...host.connection import Host, found, libvirt, patiently, said
from ..vm.reader import FEW
from .network import SILENT_S, Silent, silent
from .reader_zfs import set_right
from .volumes import (
    FILE_POOLS,
    HALF_MADE,
    KIND,
    NETWORK_POOLS,
    UNREADABLE,
    UNSEEN,
    is_mark,
    mark_of,
    name_in_pool,
    pool_of,
    without_folder,
)

# How long to wait for another run that is making the same volume, or one in the same pool.
OTHER_RUN_TIMEOUT_S = 600.0


def read_volumes(host: Host, names: Iterable[str] | None) -> dict[str, Have]:
    """The named volumes (None: all), also those that are not there; one listing for each pool."""
    with host.errors("", "read the storage volumes"):
        if names is None:
            active = host.conn.listAllStoragePools(libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE)
            return _read_all(active)
        wanted: dict[str, list[str]] = {}
        for name in names:
            wanted.setdefault(pool_of(name), []).append(name_in_pool(name))
        have = {}
        for pool, volumes in wanted.items():
            have.update(_read_some(host, pool, volumes))
        return have


def _read_all(pools: Iterable[Any]) -> dict[str, Have]:
    have = {}
    for pool in pools:
        there = _list(pool)
        have.update(_as_far_as_told(pool.name(), there))
    return have


def _as_far_as_told(pool: str, there: dict[str, Any]) -> dict[str, Have]:
    """All volumes of a pool. Those of a server that is silent are there, and no more is known."""
    names = [name for name in there if not is_mark(name)]
    try:
        return _haves(pool, names, there)
    except Silent as error:
        facts = {UNREADABLE: _untold(error.message)}
        return {f"{pool}/{name}": Have(KIND, f"{pool}/{name}", facts=facts) for name in names}


def _read_some(host: Host, pool_name: str, names: list[str]) -> dict[str, Have]:
    """libvirt knows the volumes it saw last: once in a run it looks again for what is missing."""
    pool = found(host.conn.storagePoolLookupByName, pool_name, libvirt.VIR_ERR_NO_STORAGE_POOL)
    if pool is None:
        return _haves(pool_name, names, {})
    if not pool.isActive():
        from . import asleep

        folder = asleep.folder_of(
            host, xmltree.parse(pool.XMLDesc(libvirt.VIR_STORAGE_XML_INACTIVE))
        )
        return {f"{pool_name}/{name}": _unlisted(pool_name, name, folder) for name in names}
    have = _haves(pool_name, names, _look_up(pool, names))
    missing = any(not one.exists for one in have.values())
    if missing and pool_name not in host.refreshed_pools:
        host.refreshed_pools.add(pool_name)
        _check_folder(host, pool)
        refresh_pool(pool)
        have = _haves(pool_name, names, _look_up(pool, names))
    return have


def _unlisted(pool: str, name: str, folder: Path | None) -> Have:
    """A volume of a pool that is not active, as its folder shows it."""
    full_name = f"{pool}/{name}"
    if folder is None:
        return Have(KIND, full_name, facts={UNSEEN: True})
    from . import asleep

    try:
        if (folder / mark_of(name)).exists():
            return Have(KIND, full_name, facts={HALF_MADE: True})
        return Have(KIND, full_name, asleep.volume_at(folder / name))
    except (OSError, ValueError):
        return Have(KIND, full_name, facts={UNSEEN: True})


def _check_folder(host: Host, pool: Any) -> None:
    """Look before libvirt does, which stops a pool whose folder it does not find."""
    definition = xmltree.parse(pool.XMLDesc(0))
    folder = xmltree.get(definition, "target/path") or ""
    seen = host.is_local and definition.get("type") in FILE_POOLS
    if seen and not Path(folder).exists():
        raise without_folder(pool.name(), folder)


def refresh_pool(pool: Any) -> None:
    """Let libvirt look at a pool anew; it refuses to as long as a copy is made in it."""
    patiently(lambda: _refresh(pool), OTHER_RUN_TIMEOUT_S)


def _refresh(pool: Any) -> None:
    with _told_where_silent(lambda: pool):
        pool.refresh(0)


def _look_up(pool: Any, names: list[str]) -> dict[str, Any]:
    """The volumes and their marks, as far as they are there."""
    if len(names) > FEW:
        return _list(pool)
    wanted = [*names, *(mark_of(name) for name in names)]
    volumes = {name: look_up_volume(pool, name) for name in wanted}
    return {name: volume for name, volume in volumes.items() if volume is not None}


def _list(pool: Any) -> dict[str, Any]:
    """All of a pool, but for files whose names are no text, which libvirt-python does not tell."""
    there = {}
    for volume in patiently(pool.listAllVolumes):
        with suppress(UnicodeDecodeError):
            there[volume.name()] = volume
    return there


def look_up_volume(pool: Any, name: str) -> Any:
    """libvirt's handle of a volume, None where there is none."""
    return found(pool.storageVolLookupByName, name, libvirt.VIR_ERR_NO_STORAGE_VOL)


def _haves(pool: str, names: Iterable[str], there: dict[str, Any]) -> dict[str, Have]:
    return {f"{pool}/{name}": _have(f"{pool}/{name}", there) for name in names}


def _have(full_name: str, there: dict[str, Any]) -> Have:
    name = name_in_pool(full_name)
    if mark_of(name) in there:
        return Have(KIND, full_name, facts={HALF_MADE: True})
    volume = there.get(name)
    tree = tree_of(volume) if volume is not None else None
    if tree is not None:
        why = set_right(tree)
        return Have(KIND, full_name, None if why else tree, facts={UNREADABLE: why} if why else {})
    why = why_unreadable(volume) if volume is not None else ""
    return Have(KIND, full_name, facts={UNREADABLE: _untold(why)} if why else {})


def _untold(why: str) -> str:
    return f"libvirt does not tell what it is ({why}); see qemu-img info"


def tree_of(volume: Any) -> xmltree.Element | None:
    """The volume's definition, or None if it has gone since libvirt last looked."""
    try:
        with _told_where_silent(partial(_pool_of, volume)):
            return xmltree.parse(volume.XMLDesc(0))
    except libvirt.libvirtError:
        if _is_gone(volume):
            return None
    # Another run is just making it: libvirt had the name before it had the file.
    return xmltree.parse(volume.XMLDesc(0))


def _pool_of(volume: Any) -> Any:
    return volume.storagePoolLookupByVolume()


@contextmanager
def _told_where_silent(look_up: Callable[[], Any]) -> Iterator[None]:
    """Have an error say so where libvirt waited for the server of a pool in vain."""
    began = time.monotonic()
    try:
        yield
    except libvirt.libvirtError as error:
        if time.monotonic() - began < SILENT_S:
            raise
        pool = look_up()
        if xmltree.parse(pool.XMLDesc(0)).get("type") not in NETWORK_POOLS:
            raise
        raise silent(pool.name(), said(error)) from error


def _is_gone(volume: Any) -> bool:
    """Whether libvirt cannot open a volume, of whose file it still has the name."""
    try:
        volume.info()
    except libvirt.libvirtError as error:
        return error.get_error_code() in (
            libvirt.VIR_ERR_NO_STORAGE_VOL,
            libvirt.VIR_ERR_SYSTEM_ERROR,
        )
    return False


def why_unreadable(volume: Any) -> str:
    """Why libvirt does not tell of a volume whose file is there; empty where it is gone.

    Such is a QED that stands on another image, which it takes for one of an unknown format.
    """
    try:
        volume.info()
    except libvirt.libvirtError as error:
        is_gone = error.get_error_code() != libvirt.VIR_ERR_SYSTEM_ERROR
        return "" if is_gone or error.get_int1() == errno.ENOENT else said(error)
    return ""


def volume_at(host: Host, path: str) -> str:
    """`POOL/NAME` of the volume at a path; empty where there is none."""
    with host.errors("", f"look for the volume at {path}"):
        volume = _look_up_path(host, path)
        if volume is None:
            # libvirt may not yet know what a snapshot put into a pool's folder.
            lookup, missing = (
                host.conn.storagePoolLookupByTargetPath,
                libvirt.VIR_ERR_NO_STORAGE_POOL,
            )
            pool = found(lookup, posixpath.dirname(path), missing)
            if pool is None or not pool.isActive():
                return ""
            refresh_pool(pool)
            volume = _look_up_path(host, path)
    return f"{volume.storagePoolLookupByVolume().name()}/{volume.name()}" if volume else ""


def _look_up_path(host: Host, path: str) -> Any:
    return found(host.conn.storageVolLookupByPath, path, libvirt.VIR_ERR_NO_STORAGE_VOL)


def refresh_pools(host: Host, names: Iterable[str]) -> None:
    """Have libvirt look at pools anew, but for those whose folder is not there.

    One of another machine it stops then, and says why; that is how the pool is read next.
    """
    for name in names:
        pool = found(host.conn.storagePoolLookupByName, name, libvirt.VIR_ERR_NO_STORAGE_POOL)
        if pool is None or not pool.isActive():
            continue
        folder = xmltree.get(xmltree.parse(pool.XMLDesc(0)), "target/path") or ""
        if not host.is_local or Path(folder).exists():
            host.refreshed_pools.add(name)
            _try_to_refresh(host, pool)


def _try_to_refresh(host: Host, pool: Any) -> None:
    try:
        refresh_pool(pool)
    except Silent:
        pass
    except libvirt.libvirtError:
        if not host.is_alive():
            raise
