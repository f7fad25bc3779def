# SPDX-License-Identifier: GPL-3.0-or-later
"""Where an image is at the source, where the same or a copy of it is at the target, and by what
that is known."""

from __future__ import annotations

import posixpath
from typing import NamedTuple

from ..engine import xmltree
from ..engine.looked_at import Image, Layout
from ..engine.move_facts import Mount
from ..engine.plan import Have
from ..engine.xmltree import Element
from ..kinds.storage_volume.layouts import layout_in
from ..kinds.storage_volume.volumes import FILE_POOLS, disk_source, type_of, volume_path
from .move import Move
from .side import Side


class Spot(NamedTuple):
    """A place of an image on one host; without a pool, only a path."""

    path: str  # empty in a pool without paths
    pool: str = ""
    volume: str = ""

    @property
    def named(self) -> str:
        """How it is told: by its path, or as POOL/VOLUME where it has none."""
        return self.path or (f"{self.pool}/{self.volume}" if self.pool else "")


def spot_of(side: Side, disk: Element) -> Spot:
    """Where the image is that a disk reads and writes."""
    source = disk.find("source")
    if source is None:
        return Spot("")
    if source.get("pool"):
        pool, volume = source.get("pool", ""), source.get("volume", "")
        return Spot(volume_path(side.pool(pool), volume), pool, volume)
    return spot_at(side, source.get("file") or source.get("dev") or "")


def spot_at(side: Side, path: str) -> Spot:
    """The same of a path. Of files the folder tells the pool, so that nothing is looked at anew."""
    if not path.startswith("/"):
        return Spot(path)
    folder, name = posixpath.split(posixpath.normpath(path))
    for pool in side.pools().values():
        if type_of(pool) in FILE_POOLS and folder_of(pool) == folder:
            return Spot(path, pool.name, name)
    if folder.startswith("/dev"):
        pool_name, _slash, volume = side.host.volume_at(path).partition("/")
        return Spot(path, pool_name, volume)
    return Spot(path)


def folder_of(pool: Have) -> str:
    """The folder of a pool, without a slash at its end."""
    return posixpath.normpath(xmltree.get(pool.definition, "target/path") or "/")


def spot_there(move: Move, spot: Spot) -> Spot:
    """Where an image is, or goes, at the target: in the pool of that name, or of that folder."""
    if not spot.pool:
        return spot_at(move.target, spot.path) if spot.path.startswith("/") else spot
    pool = move.target.pool(move.options.pool(spot.pool))
    path = volume_path(pool, spot.volume) if pool.exists else ""
    if type_of(pool) not in (*FILE_POOLS, "logical") and pool.exists:
        # iscsi and the like: paths are the same, or are told by the volume
        volume = move.target.volume(pool.name, spot.volume).stored
        path = "" if volume is None else xmltree.get(volume, "target/path") or ""
    return Spot(path, move.options.pool(spot.pool), spot.volume)


def source_there(move: Move, spot: Spot) -> dict[str, str]:
    """The source of a disk at the target, as the options of a disk."""
    pool = move.target.pool(spot.pool)
    if spot.pool and pool.exists:
        return disk_source(pool, spot.volume)
    return {"file": spot.path}


def volume_at(side: Side, spot: Spot) -> Have | None:
    """The volume at a spot, if it is in a pool that is active."""
    if not spot.pool or side.pool(spot.pool).live is None:
        return None
    return side.volume(spot.pool, spot.volume)


def layout_at(side: Side, spot: Spot) -> Layout | None:
    """How the image at a spot is laid out, if that is qcow2 and anybody can tell."""
    found = side.host.image(spot.path) if side.host.is_local and spot.path[:1] == "/" else None
    if isinstance(found, Image):
        return found.layout
    volume = volume_at(side, spot)
    tree = None if volume is None else volume.stored
    is_qcow2 = tree is not None and xmltree.get(tree, "target/format/@type") == "qcow2"
    return layout_in(tree) if is_qcow2 and tree is not None else None


# ---- whether both hosts have the same storage


def why_shared(move: Move, spot: Spot) -> str:
    """By what it is known that the target has the very same image; empty where nothing shows it."""
    if spot.pool:
        name = move.options.pool(spot.pool)
        here, there = move.source.pool(spot.pool), move.target.pool(name)
        if spot.pool in move.options.shared_pools:
            return f"pool {spot.pool} is declared as shared"
        if not here.exists or not there.exists:
            return ""
        return _same_pool(here.definition, there.definition) or _same_mount(
            move, folder_of(here), folder_of(there)
        )
    folder = posixpath.dirname(spot.path)
    return _same_mount(move, folder, folder) if spot.path.startswith("/") else ""


def _same_pool(here: Element, there: Element) -> str:
    kind = here.get("type", "")
    if kind != there.get("type") or kind not in _SAME:
        return ""
    told, other = (_told(pool, _SAME[kind]) for pool in (here, there))
    hosts, others = _hosts(here), _hosts(there)
    if told != other or not all(told) or not hosts & others:
        return ""
    return f"both have it from {kind} {sorted(hosts & others)[0]} {' '.join(told)}"


# What of the source of a pool is the same where it is the same one, beside its servers.
_SAME = {
    "netfs": ("source/dir/@path",),
    "iscsi": ("source/device/@path",),
    "iscsi-direct": ("source/device/@path",),
    "rbd": ("source/name",),
    "gluster": ("source/name",),
}


def _told(pool: Element, paths: tuple[str, ...]) -> tuple[str, ...]:
    return tuple((xmltree.get(pool, path) or "").rstrip("/") for path in paths)


def _hosts(pool: Element) -> set[str]:
    return {host.get("name", "") for host in pool.findall("source/host")} - {""}


def _same_mount(move: Move, here: str, there: str) -> str:
    """Whether folders of both hosts are the same one of a server, as far as mounts are known."""
    one, other = _mounted(move.source, here), _mounted(move.target, there)
    if not one or one != other:
        return ""
    return f"both have mounted {one}"


def _mounted(side: Side, folder: str) -> str:
    """What of a server a folder is; empty of one that is on the machine itself, or not known."""
    mounts = side.moves.mounts if side.host.is_this_machine else None
    above = [one for one in mounts or () if _is_below(folder, one)]
    if not above:
        return ""
    mount = max(above, key=lambda one: len(one.path))
    rest = folder[len(mount.path.rstrip("/")) :]
    return f"{mount.source.rstrip('/')}{rest}"


def _is_below(folder: str, mount: Mount) -> bool:
    return f"{folder}/".startswith(f"{mount.path.rstrip('/')}/")
