# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes a volume that is there larger or smaller, and gives its file to others; who is on it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ...engine import xmltree
from ...engine.errors import FleetError
from ...engine.plan import Plan
from ...host.connection import Host, libvirt, patiently
from ...host.files import read_place
from ..images.servers import place_of
from .table import GROUP, MODE, OWNER
from .volumes import capacity_of, image_in, resizes


def make_as_planned(host: Host, plan: Plan, volume: Any) -> None:
    """Make all of a plan true of a volume that is there."""
    if resizes(plan):
        _resize(host, plan, volume)
    _give(plan, volume.path())


def _resize(host: Host, plan: Plan, volume: Any) -> None:
    """One that a running VM has open is QEMU's to grow; the VM sees it at once. None shrinks."""
    capacity = capacity_of(plan.after)
    users = disks_on(host, volume, running=True)
    if capacity >= capacity_of(plan.have):
        for domain, target in users:
            domain.blockResize(target, capacity, libvirt.VIR_DOMAIN_BLOCK_RESIZE_BYTES)
        if not users:
            patiently(lambda: volume.resize(capacity))
        return
    if users:
        vms = ", ".join(domain.name() for domain, _target in users)
        raise FleetError(f"{vms} was started on it, so it does not shrink", plan.resource)
    patiently(lambda: volume.resize(capacity, libvirt.VIR_STORAGE_VOL_RESIZE_SHRINK))


def _give(plan: Plan, path: str) -> None:
    """Give a file to whom it is to be, with its mode. libvirt has no call for that."""
    said = {change.field: change.after for change in plan.changes}
    try:
        if OWNER in said or GROUP in said:
            owner, group = (said.get(key) for key in (OWNER, GROUP))
            os.chown(path, -1 if owner is None else owner, -1 if group is None else group)
        if MODE in said:  # after the owner, whose change may take bits away
            Path(path).chmod(int(said[MODE], 8))
    except OSError as error:
        message = f"cannot be given to whom it is to be: {error.strerror}"
        raise FleetError(message, plan.resource, "permissions") from error


def disks_on(host: Host, volume: Any, running: bool) -> list[tuple[Any, str]]:
    """The VMs that have a disk on a volume, or copy one into it, with the disk's target; or only
    those that run on it."""
    path = image_in(xmltree.parse(volume.XMLDesc(0)))
    place = (volume.storagePoolLookupByVolume().name(), volume.name())
    flag = libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE if running else 0
    users = []
    for domain in host.conn.listAllDomains(flag):
        for disk in xmltree.find_all(xmltree.parse(domain.XMLDesc(0)), "devices/disk"):
            sources = disk.findall("source") + ([] if running else disk.findall("mirror/source"))
            if any(_is_on(host, source, path, place) for source in sources):
                users.append((domain, xmltree.get(disk, "target/@dev") or path))
    return users


def _is_on(host: Host, source: xmltree.Element, path: str, place: tuple[str, str]) -> bool:
    by_path = _is_at(host, place_of(source), path)
    return by_path or (source.get("pool"), source.get("volume")) == place


def _is_at(host: Host, path: str, other: str) -> bool:
    """Whether two paths lead to one image."""
    return path == other or (host.is_local and bool(path) and read_place(path) == read_place(other))
