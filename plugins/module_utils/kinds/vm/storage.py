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
from ansible_collections.kvm.fleet.plugins.module_utils.fields import ABSENT
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
    """`POOL/NAME` of every disk that is a volume and is this VM's alone: no CD-ROM, none shared."""
    for disk in domain.findall("devices/disk"):
        source = disk.find("source")
        alone = disk.get("device", "disk") == "disk" and disk.find("shareable") is None
        if not alone or disk.find("readonly") is not None or source is None:
            continue
        if source.get("pool"):
            yield f"{source.get('pool')}/{source.get('volume')}"
        path = source.get("file") or source.get("dev")
        volume = _volume_at(host, path) if path else None
        if volume is not None:
            yield f"{volume.storagePoolLookupByVolume().name()}/{volume.name()}"


def _volume_at(host: Host, path: str) -> Any:
    with host.errors("", f"look for the volume at {path}"):
        return found(host.conn.storageVolLookupByPath, path, libvirt.VIR_ERR_NO_STORAGE_VOL)
