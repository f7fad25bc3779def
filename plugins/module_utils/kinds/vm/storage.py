# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The volumes that go with a VM: only where the user wrote `remove_storage`, and only its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ansible_collections.kvm.fleet.plugins.module_utils import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.connection import Host, found, libvirt
from ansible_collections.kvm.fleet.plugins.module_utils.domains import read_domains
from ansible_collections.kvm.fleet.plugins.module_utils.fields import ABSENT, items_of
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.table import DISKS
from ansible_collections.kvm.fleet.plugins.module_utils.plan import Wanted


def volumes_that_go(host: Host, wanted: Sequence[Wanted]) -> list[Wanted]:
    """The volumes behind the disks of VMs that go with their storage, declared absent."""
    going = [
        w for w in wanted if w.kind == "vm" and w.state == ABSENT and w.options["remove_storage"]
    ]
    haves = read_domains(host, [one.name for one in going]) if going else {}
    volumes: dict[str, Wanted] = {}
    for one in going:
        domain = haves[one.name].stored
        for name in _volumes_of(host, domain) if domain is not None else ():
            needs = frozenset({("vm", one.name)})
            volumes[name] = Wanted("storage_volume", name, ABSENT, needs=needs)
    return list(volumes.values())


def _volumes_of(host: Host, domain: xmltree.Element) -> Iterator[str]:
    """`POOL/NAME` of every disk that is a volume and is this VM's alone."""
    for disk in domain.findall("devices/disk"):
        volume = "" if _why_it_stays(disk) else _volume_of(host, disk)
        if volume:
            yield volume


def disks_that_stay(host: Host, domain: xmltree.Element) -> Iterator[tuple[str, str, str]]:
    """What a VM that goes with its storage leaves: each disk's name, where it is, and why."""
    for name, disk in items_of(DISKS, domain).items():
        where = _where(disk)
        why = _why_it_stays(disk) or ("" if _volume_of(host, disk) else "is in no storage pool")
        if where and why:
            yield name, where, why


def _why_it_stays(disk: xmltree.Element) -> str:
    """Why a disk is not removed with its VM, whatever it is on; empty if nothing keeps it."""
    if disk.get("device", "disk") != "disk":
        return "is a medium"
    if disk.find("shareable") is not None:
        return "is shareable"
    return "is read-only" if disk.find("readonly") is not None else ""


def _volume_of(host: Host, disk: xmltree.Element) -> str:
    """`POOL/NAME` of the volume that a disk is on, empty where it is on something else."""
    source = disk.find("source")
    if source is None:
        return ""
    if source.get("pool"):
        return f"{source.get('pool')}/{source.get('volume')}"
    path = source.get("file") or source.get("dev")
    volume = _volume_at(host, path) if path else None
    return f"{volume.storagePoolLookupByVolume().name()}/{volume.name()}" if volume else ""


def _where(disk: xmltree.Element) -> str:
    source = disk.find("source")
    named = ("file", "dev", "volume", "name", "path", "dir")
    return (
        "" if source is None else next((source.get(at, "") for at in named if source.get(at)), "")
    )


def _volume_at(host: Host, path: str) -> Any:
    with host.errors("", f"look for the volume at {path}"):
        return found(host.conn.storageVolLookupByPath, path, libvirt.VIR_ERR_NO_STORAGE_VOL)
