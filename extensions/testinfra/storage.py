# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""host.storage_pool("fast") and host.storage_volume("fast", "web-root.qcow2")."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from .virsh import DEFAULT_URI, VirshModule, bytes_of, text_of


class StoragePool(VirshModule):
    """A storage pool

    >>> host.storage_pool("fast").is_active
    True
    >>> host.storage_pool("fast").volumes
    ['web-root.qcow2']
    """

    @property
    def exists(self) -> bool:
        return self.listed("pool-list --all --name")

    @property
    def is_active(self) -> bool:
        return self.listed("pool-list --name")

    @property
    def is_autostart(self) -> bool:
        return self.listed("pool-list --all --autostart --name")

    @property
    def xml(self) -> ET.Element:
        return self.parse("pool-dumpxml", self.name)

    @property
    def type(self) -> str:
        """dir, fs, netfs, logical..."""
        return str(self.xml.get("type"))

    @property
    def path(self) -> str:
        return text_of(self.xml, "target/path")

    @property
    def capacity_bytes(self) -> int:
        return bytes_of(self.xml.find("capacity"))

    @property
    def available_bytes(self) -> int:
        return bytes_of(self.xml.find("available"))

    @property
    def volumes(self) -> list[str]:
        """The names of its volumes, as the pool's last refresh found them."""
        rows = (line.split() for line in self.virsh("vol-list", self.name).splitlines())
        return sorted(row[0] for row in rows if row)


class StorageVolume(VirshModule):
    """A storage volume

    >>> host.storage_volume("fast", "web-root.qcow2").format
    'qcow2'
    """

    def __init__(self, pool: str, name: str, uri: str = DEFAULT_URI) -> None:
        self.pool = pool
        super().__init__(name, uri)

    @property
    def exists(self) -> bool:
        pool = StoragePool.get_module(self._host)(self.pool, self.uri)
        return pool.is_active and self.name in pool.volumes

    @property
    def xml(self) -> ET.Element:
        return self.parse("vol-dumpxml", self.name, self.pool)

    @property
    def path(self) -> str:
        return text_of(self.xml, "target/path")

    @property
    def format(self) -> str:
        element = self.xml.find("target/format")
        return "raw" if element is None else element.get("type", "raw")

    @property
    def capacity_bytes(self) -> int:
        return bytes_of(self.xml.find("capacity"))

    @property
    def allocation_bytes(self) -> int:
        """What it takes from the pool now."""
        return bytes_of(self.xml.find("allocation"))

    @property
    def backing_path(self) -> str | None:
        """The image below a linked clone."""
        return text_of(self.xml, "backingStore/path") or None
